// SPDX-License-Identifier: GPL-3.0-or-later
// S2 against full attention, and a training step, by context length; low-rank updates of
// projections each by itself and stacked; matrix products by LibTorch and by ours. Columns:
// tokens_per_second, and peak_mib above what the process had before. The group is fixed, so with S2
// the time per token must stay level.
#include "core/engine/attention/segmented_attention.h"
#include "core/engine/model/random_model.h"
#include "core/engine/tensor/matrix_product.h"
#include "core/engine/tensor/prepare_compute.h"
#include "core/engine/train/layer/linear_group.h"
#include "core/engine/train/layer/linear_pass.h"
#include "core/engine/train/layer_driver.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <benchmark/benchmark.h>

#include <thread>

namespace longlora {
namespace {

constexpr std::int64_t kGroup = 256;
const ComputePlace kPlace{at::kCPU, at::kFloat};

AttentionSpec specOf(bool s2)
{
    return s2 ? AttentionSpec{AttentionKind::S2, kGroup, GroupEdge::Clipped} : AttentionSpec{};
}

void report(benchmark::State& state, std::int64_t tokens, double bytesBefore)
{
    constexpr double kMebibyte = 1024.0 * 1024.0;
    using benchmark::Counter;
    state.counters["tokens_per_second"] =
        Counter(static_cast<double>(tokens * state.iterations()), Counter::kIsRate);
    state.counters["peak_mib"] = Counter((peakMemory(at::kCPU) - bytesBefore) / kMebibyte);
}

/// Forward and backward of one layer's attention: 8 heads of 64.
void attention(benchmark::State& state, bool s2)
{
    const std::int64_t length = state.range(0);
    const at::Tensor q = at::randn({1, length, 8, 64}).requires_grad_();
    const at::Tensor k = at::randn({1, length, 8, 64}).requires_grad_();
    const at::Tensor v = at::randn({1, length, 8, 64}).requires_grad_();
    const at::Tensor gradient = at::randn({1, length, 8, 64});
    const AttentionLayout layout = attentionLayout(specOf(s2), 8, 1, length);
    resetPeakMemory(at::kCPU);
    const double before = memoryInUse(at::kCPU);
    for ([[maybe_unused]] auto _ : state) {
        const at::Tensor out = segmentedAttention(q, k, v, layout);
        benchmark::DoNotOptimize(torch::autograd::grad({out}, {q, k, v}, {gradient}));
    }
    report(state, length, before);
}

ModelConfig smallShape()
{
    ModelConfig config;
    config.architecture = "LlamaForCausalLM";
    config.vocabularySize = 4096;
    config.hiddenSize = 256;
    config.intermediateSize = 688;
    config.layerCount = 4;
    config.headCount = 4;
    config.kvHeadCount = 4;
    config.headDim = 64;
    config.maxPositionEmbeddings = 1024;
    return config;
}

/// Forward and backward of a LoRA step with embeddings and norms, hidden states kept only.
void trainingStep(benchmark::State& state, bool s2)
{
    const std::int64_t length = state.range(0);
    DecoderModel model = randomModel(smallShape(), 1, kPlace);
    TrainableSet trainables(model, RunConfig{});
    LayerDriver driver(model, trainables, {});
    const at::Tensor ids = at::randint(0, 4096, {1, length}, at::kLong);
    const TrainingBatch batch{ids, ids.roll({-1}, {1}), attentionLayout(specOf(s2), 4, 1, length)};
    resetPeakMemory(at::kCPU);
    const double before = memoryInUse(at::kCPU);
    for ([[maybe_unused]] auto _ : state) {
        driver.forwardBackward(batch, 1.0 / static_cast<double>(length));
    }
    report(state, length, before);
}

/// q, k and v of one input with their low-rank updates: each by itself, or as one stack.
struct Projections {
    static constexpr std::int64_t kTokens = 4096, kWidth = 512, kRank = 8;

    Projections(at::ScalarType dtype, bool isStacked)
    {
        for (int i = 0; i < 3; ++i) {
            const at::Tensor a = at::randn({kRank, kWidth}), b = at::randn({kWidth, kRank});
            maps.push_back({at::randn({kWidth, kWidth}).to(dtype),
                            {},
                            LoraPair{a.to(dtype), b.to(dtype), 2.0},
                            {},
                            {}});
            gradients.push_back(
                {{}, {}, LoraPair{at::zeros_like(a), at::zeros_like(b), 2.0}, {}, {}});
        }
        if (isStacked) {
            stack = stackLora({&maps[0], &maps[1], &maps[2]});
            sums = stackLora({&gradients[0], &gradients[1], &gradients[2]});
        }
        const at::TensorOptions options(dtype);
        x = rowsWithRoom(kTokens, kWidth, stack.rank(), options);
        x.rows.copy_(at::randn({kTokens, kWidth}));
        for (int i = 0; i < 3; ++i) {
            last = rowsWithRoom(kTokens, kWidth, i == 2 ? stack.rank() : 0, options);
            last.rows.copy_(at::randn({kTokens, kWidth}));
            ys.push_back(last.rows);
        }
        dX = at::empty({kTokens, kWidth}, options);
    }

    LinearGroup group() const { return {{&maps[0], &maps[1], &maps[2]}, stack}; }
    LinearGroup sumsOfGroup() const
    {
        return {{&gradients[0], &gradients[1], &gradients[2]}, sums};
    }

    std::vector<LoraLinear> maps, gradients;
    LoraStack stack, sums;
    RowsWithRoom x, last;
    std::vector<at::Tensor> ys; ///< written, then taken for their gradients
    at::Tensor dX;
};

void loraForward(benchmark::State& state, at::ScalarType dtype, bool isStacked)
{
    const c10::NoGradGuard noGradients;
    Projections p(dtype, isStacked);
    for ([[maybe_unused]] auto _ : state) {
        if (isStacked) {
            linearGroupForward(p.group(), p.x, p.ys);
        } else {
            for (std::size_t i = 0; i < 3; ++i) {
                linearForward(p.maps[i], p.x.rows, {}, p.ys[i]);
            }
        }
    }
}

void loraBackward(benchmark::State& state, at::ScalarType dtype, bool isStacked)
{
    const c10::NoGradGuard noGradients;
    Projections p(dtype, isStacked);
    for ([[maybe_unused]] auto _ : state) {
        if (isStacked) {
            linearGroupBackward({p.group(), p.sumsOfGroup(), p.x.rows, p.ys, p.last}, p.dX);
        } else {
            for (std::size_t i = 0; i < 3; ++i) {
                linearBackward({p.maps[i], p.gradients[i], p.x.rows, p.ys[i], i > 0}, p.dX);
            }
        }
    }
}

/// A frozen weight's product in bf16, forward (its rows are read along) or back.
void product(benchmark::State& state, bool isOurs)
{
    const std::int64_t rows = state.range(0), inner = state.range(1), columns = state.range(2);
    const bool isForward = state.range(3) != 0;
    const at::Tensor left = at::randn({rows, inner}, at::kBFloat16);
    const at::Tensor weight =
        at::randn(isForward ? at::IntArrayRef{columns, inner} : at::IntArrayRef{inner, columns},
                  at::kBFloat16);
    const at::Tensor right = isForward ? weight.t() : weight;
    at::Tensor out = at::empty({rows, columns}, at::kBFloat16);
    for ([[maybe_unused]] auto _ : state) {
        if (isOurs) {
            multiplyInto(out, {left, right});
        } else {
            at::mm_out(out, left, right);
        }
    }
    state.counters["flops"] =
        benchmark::Counter(2.0 * static_cast<double>(rows * inner * columns * state.iterations()),
                           benchmark::Counter::kIsRate);
}

/// Those of shape mini, and a square one.
void shapesOfProducts(benchmark::internal::Benchmark* benchmark)
{
    benchmark->ArgNames({"rows", "inner", "columns", "forward"})
        ->Args({4096, 512, 512, 1})
        ->Args({4096, 512, 1376, 1})
        ->Args({4096, 1376, 512, 1})
        ->Args({4096, 512, 512, 0})
        ->Args({4096, 1376, 512, 0})
        ->Args({1024, 512, 32000, 1})
        ->Args({1024, 32000, 512, 0})
        ->Args({2048, 2048, 2048, 1})
        ->UseRealTime();
}

BENCHMARK_CAPTURE(product, libtorch, false)->Apply(shapesOfProducts);
BENCHMARK_CAPTURE(product, ours, true)->Apply(shapesOfProducts);
BENCHMARK_CAPTURE(loraForward, bf16_separate, at::kBFloat16, false)->UseRealTime();
BENCHMARK_CAPTURE(loraForward, bf16_stacked, at::kBFloat16, true)->UseRealTime();
BENCHMARK_CAPTURE(loraForward, fp32_separate, at::kFloat, false)->UseRealTime();
BENCHMARK_CAPTURE(loraForward, fp32_stacked, at::kFloat, true)->UseRealTime();
BENCHMARK_CAPTURE(loraBackward, bf16_separate, at::kBFloat16, false)->UseRealTime();
BENCHMARK_CAPTURE(loraBackward, bf16_stacked, at::kBFloat16, true)->UseRealTime();
BENCHMARK_CAPTURE(loraBackward, fp32_separate, at::kFloat, false)->UseRealTime();
BENCHMARK_CAPTURE(loraBackward, fp32_stacked, at::kFloat, true)->UseRealTime();
BENCHMARK_CAPTURE(attention, s2, true)->RangeMultiplier(2)->Range(1024, 16384)->UseRealTime();
BENCHMARK_CAPTURE(attention, full, false)->RangeMultiplier(2)->Range(1024, 16384)->UseRealTime();
BENCHMARK_CAPTURE(trainingStep, s2, true)->RangeMultiplier(2)->Range(1024, 16384)->UseRealTime();
BENCHMARK_CAPTURE(trainingStep, full, false)->RangeMultiplier(2)->Range(1024, 16384)->UseRealTime();

} // namespace
} // namespace longlora

int main(int argc, char** argv)
{
    longlora::prepareCompute(static_cast<int>(std::thread::hardware_concurrency()));
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
