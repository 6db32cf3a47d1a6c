// SPDX-License-Identifier: GPL-3.0-or-later
// S2 against full attention, and a training step, by context length. Columns: tokens_per_second,
// and peak_mib above what the process had before. The group is fixed, so with S2 the time per
// token must stay level.
#include "core/engine/attention/segmented_attention.h"
#include "core/engine/model/random_model.h"
#include "core/engine/tensor/prepare_compute.h"
#include "core/engine/train/layer_driver.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
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
