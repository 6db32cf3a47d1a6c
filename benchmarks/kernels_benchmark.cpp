// SPDX-License-Identifier: GPL-3.0-or-later
// Speed of the kernels' CPU forms at the shapes of a 7B model, beside the speed at which this
// machine copies memory, measured in the same run. Columns: bytes_per_second and flops by the cost
// stated in each operator's header; floor_seconds is the time of one call at the copy's speed.
#include "kernels/adamw.h"
#include "kernels/cross_entropy.h"
#include "kernels/dispatch.h"
#include "kernels/embedding_gradient.h"
#include "kernels/parallel_for.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary_embedding.h"
#include "kernels/swiglu.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

namespace longlora::kernels {

namespace {

constexpr std::int64_t kTokens = 1024;

/// Bytes per second, read and written, of copying 256 MB: the best of seven times.
double copyBandwidth()
{
    static const double best = [] {
        constexpr std::int64_t kBytes = 256 << 20;
        std::vector<char> from(kBytes, 1);
        std::vector<char> to(kBytes, 2);
        double seconds = 1e30;
        for (int repetition = 0; repetition < 7; ++repetition) {
            const auto start = std::chrono::steady_clock::now();
            parallelFor(kBytes, 1 << 20, 0, [&](std::int64_t begin, std::int64_t end) {
                std::memcpy(to.data() + begin, from.data() + begin,
                            static_cast<std::size_t>(end - begin));
            });
            const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
            benchmark::DoNotOptimize(to.data());
            seconds = std::min(seconds, taken.count());
        }
        return 2.0 * static_cast<double>(kBytes) / seconds;
    }();
    return best;
}

/// A matrix of normally distributed numbers.
class Matrix {
public:
    Matrix(DType dtype, std::int64_t rows, std::int64_t columns)
        : m_bytes(static_cast<std::size_t>(rows * columns * elementBytes(dtype)))
        , m_view(contiguousView(static_cast<void*>(m_bytes.data()), dtype, {rows, columns}))
    {
        constexpr std::int64_t kPattern = 65537; // drawing every number would outlast the benchmark
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        dispatch(dtype, [&](auto tag) {
            using T = typename decltype(tag)::Type;
            T* data = m_view.row<T>(0);
            for (std::int64_t i = 0; i < rows * columns; ++i) {
                data[i] = i < kPattern ? fromCompute<T>(normal(random)) : data[i - kPattern];
            }
        });
    }

    TensorView view() const { return m_view; }

private:
    std::vector<char> m_bytes;
    TensorView m_view;
};

/// What one call moves and calculates, by the operator's header.
void report(benchmark::State& state, double elements, double bytesPerElement,
            double flopsPerElement)
{
    const auto calls = static_cast<double>(state.iterations());
    using benchmark::Counter;
    const double bytes = calls * elements * bytesPerElement;
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
    state.counters["flops"] = Counter(calls * elements * flopsPerElement, Counter::kIsRate);
    state.counters["floor_seconds"] = Counter(elements * bytesPerElement / copyBandwidth());
}

DType dtypeOf(const benchmark::State& state)
{
    return static_cast<DType>(state.range(0));
}

double elementSize(const benchmark::State& state)
{
    return static_cast<double>(elementBytes(dtypeOf(state)));
}

void crossEntropy(benchmark::State& state)
{
    const std::int64_t vocab = state.range(1);
    const std::int64_t rows = (std::int64_t{32} << 20) / vocab;
    const Matrix logits(dtypeOf(state), rows, vocab);
    const std::vector<std::int64_t> targets(static_cast<std::size_t>(rows), 7);
    std::vector<double> losses(targets.size());
    for ([[maybe_unused]] auto _ : state) {
        softmaxCrossEntropy({logits.view(), targets.data(), losses.data(), 1.0, true, {}});
        benchmark::ClobberMemory();
    }
    // Counted is what must come from memory: the second read is from the cache.
    report(state, static_cast<double>(rows * vocab), 2.0 * elementSize(state), 35.0);
}

void rotaryEmbedding(benchmark::State& state)
{
    constexpr std::int64_t kHeads = 32;
    constexpr std::int64_t kHeadDim = 128;
    const Matrix memory(dtypeOf(state), kTokens, kHeads * kHeadDim);
    const Matrix cos(DType::Float32, kTokens, kHeadDim / 2);
    const Matrix sin(DType::Float32, kTokens, kHeadDim / 2);
    const TensorView x =
        contiguousView(memory.view().data, dtypeOf(state), {1, kTokens, kHeads, kHeadDim});
    std::memset(sin.view().data, 0, kTokens * kHeadDim / 2 * sizeof(float));
    std::fill_n(cos.view().row<float>(0), kTokens * kHeadDim / 2, 1.0F); // stays in range for ever
    for ([[maybe_unused]] auto _ : state) {
        rotaryEmbeddingForward({x, cos.view(), sin.view(), {}});
        benchmark::ClobberMemory();
    }
    report(state, kTokens * kHeads * kHeadDim, 2.0 * elementSize(state), 3.0);
}

void rmsNorm(benchmark::State& state)
{
    constexpr std::int64_t kHidden = 4096;
    const Matrix x(dtypeOf(state), kTokens, kHidden);
    const Matrix weight(dtypeOf(state), 1, kHidden);
    const Matrix y(dtypeOf(state), kTokens, kHidden);
    const TensorView w = contiguousView(weight.view().data, dtypeOf(state), {kHidden});
    for ([[maybe_unused]] auto _ : state) {
        rmsNormForward({x.view(), w, y.view(), {}, 1e-5, {}});
        benchmark::ClobberMemory();
    }
    report(state, kTokens * kHidden, 2.0 * elementSize(state), 4.0);
}

void rmsNormGradient(benchmark::State& state)
{
    constexpr std::int64_t kHidden = 4096;
    const Matrix x(dtypeOf(state), kTokens, kHidden);
    const Matrix weight(dtypeOf(state), 1, kHidden);
    const Matrix dY(dtypeOf(state), kTokens, kHidden);
    const Matrix dX(dtypeOf(state), kTokens, kHidden);
    std::vector<float> inverseRms(kTokens, 1.0F);
    std::vector<float> dWeight(kHidden, 0.0F);
    const TensorView w = contiguousView(weight.view().data, dtypeOf(state), {kHidden});
    void* const rhos = inverseRms.data();
    void* const sums = dWeight.data();
    for ([[maybe_unused]] auto _ : state) {
        rmsNormBackward({x.view(),
                         w,
                         contiguousView(rhos, DType::Float32, {kTokens}),
                         dY.view(),
                         dX.view(),
                         contiguousView(sums, DType::Float32, {kHidden}),
                         {}});
        benchmark::ClobberMemory();
    }
    report(state, kTokens * kHidden, 3.0 * elementSize(state), 11.0);
}

void swiglu(benchmark::State& state)
{
    constexpr std::int64_t kFfn = 11008;
    const Matrix gate(dtypeOf(state), kTokens, kFfn);
    const Matrix up(dtypeOf(state), kTokens, kFfn);
    const Matrix y(dtypeOf(state), kTokens, kFfn);
    for ([[maybe_unused]] auto _ : state) {
        swigluForward({gate.view(), up.view(), y.view(), {}});
        benchmark::ClobberMemory();
    }
    report(state, kTokens * kFfn, 3.0 * elementSize(state), 20.0);
}

void swigluGradient(benchmark::State& state)
{
    constexpr std::int64_t kFfn = 11008;
    const Matrix gate(dtypeOf(state), kTokens, kFfn);
    const Matrix up(dtypeOf(state), kTokens, kFfn);
    const Matrix dY(dtypeOf(state), kTokens, kFfn);
    const Matrix dGate(dtypeOf(state), kTokens, kFfn);
    const Matrix dUp(dtypeOf(state), kTokens, kFfn);
    for ([[maybe_unused]] auto _ : state) {
        swigluBackward({gate.view(), up.view(), dY.view(), dGate.view(), dUp.view(), {}});
        benchmark::ClobberMemory();
    }
    report(state, kTokens * kFfn, 5.0 * elementSize(state), 25.0);
}

/// No row is met twice: the most that there is to write.
void embeddingRows(benchmark::State& state)
{
    constexpr std::int64_t kHidden = 4096;
    const Matrix dY(dtypeOf(state), kTokens, kHidden);
    const Matrix sum(DType::Float32, kTokens, kHidden);
    std::vector<std::int64_t> rowOf(kTokens);
    std::iota(rowOf.begin(), rowOf.end(), 0);
    std::shuffle(rowOf.begin(), rowOf.end(), std::mt19937(3));
    std::vector<std::int64_t> order(kTokens);
    for (std::int64_t token = 0; token < kTokens; ++token) {
        order[static_cast<std::size_t>(rowOf[static_cast<std::size_t>(token)])] = token;
    }
    for ([[maybe_unused]] auto _ : state) {
        embeddingGradient({dY.view(), rowOf.data(), order.data(), sum.view(), {}});
        benchmark::ClobberMemory();
    }
    report(state, kTokens * kHidden, elementSize(state) + 8.0, 1.0);
}

/// Weights and gradients of an update of a 4,096 x 4,096 matrix.
struct Update {
    static constexpr std::int64_t kSide = 4096;
    static constexpr std::int64_t kCount = kSide * kSide;
    Matrix weights{DType::Float32, kSide, kSide};
    Matrix gradients{DType::Float32, kSide, kSide};
    AdamWRates rates{.learningRate = 1e-4};

    float* weight() const { return static_cast<float*>(weights.view().data); }
    const float* gradient() const { return static_cast<const float*>(gradients.view().data); }
};

void adamWBFloat16(benchmark::State& state)
{
    Update update;
    std::vector<BFloat16> first(Update::kCount), second(Update::kCount);
    for ([[maybe_unused]] auto _ : state) {
        adamW(AdamWBFloat16{update.weight(),
                            update.gradient(),
                            first.data(),
                            second.data(),
                            Update::kCount,
                            update.rates,
                            {}});
        ++update.rates.step;
        benchmark::ClobberMemory();
    }
    report(state, Update::kCount, 20.0, 20.0);
}

void adamWEightBit(benchmark::State& state)
{
    Update update;
    std::vector<EightBitMoments> moments(static_cast<std::size_t>(eightBitBlocks(Update::kCount)));
    for ([[maybe_unused]] auto _ : state) {
        adamW(AdamWEightBit{
            update.weight(), update.gradient(), moments.data(), Update::kCount, update.rates, {}});
        ++update.rates.step;
        benchmark::ClobberMemory();
    }
    report(state, Update::kCount, 16.1, 40.0);
}

constexpr auto kFloat32 = static_cast<std::int64_t>(DType::Float32);
constexpr auto kBFloat16 = static_cast<std::int64_t>(DType::BFloat16);

void inBothTypes(benchmark::internal::Benchmark* benchmark)
{
    benchmark->Arg(kFloat32)->Arg(kBFloat16)->ArgName("dtype")->UseRealTime();
}

BENCHMARK(crossEntropy)
    ->ArgNames({"dtype", "vocab"})
    ->Args({kFloat32, 32000})
    ->Args({kBFloat16, 32000})
    ->Args({kFloat32, 128256})
    ->Args({kBFloat16, 128256})
    ->UseRealTime();
BENCHMARK(rotaryEmbedding)->Apply(inBothTypes);
BENCHMARK(rmsNorm)->Apply(inBothTypes);
BENCHMARK(rmsNormGradient)->Apply(inBothTypes);
BENCHMARK(swiglu)->Apply(inBothTypes);
BENCHMARK(swigluGradient)->Apply(inBothTypes);
BENCHMARK(embeddingRows)->Apply(inBothTypes);
BENCHMARK(adamWBFloat16)->UseRealTime();
BENCHMARK(adamWEightBit)->UseRealTime();

} // namespace

} // namespace longlora::kernels

int main(int argc, char** argv)
{
    benchmark::Initialize(&argc, argv);
    benchmark::AddCustomContext(
        "memory copy, GB/s", std::to_string(longlora::kernels::copyBandwidth() / 1e9).substr(0, 5));
    benchmark::AddCustomContext("dtype", "1 = fp32, 2 = bf16");
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
