// SPDX-License-Identifier: GPL-3.0-or-later
// What a layer keeps and works on, as the allocator says, against what the planner says.
#include "core/engine/attention/cpu_flash_attention.h"
#include "core/engine/model/random_model.h"
#include "core/engine/train/layer/layer_pass.h"
#include "core/engine/train/layer/tiled_layer_pass.h"
#include "core/engine/train/trainable_set.h"
#include "core/spec/plan/layer_memory.h"
#include "tests/support/golden_model.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/Allocator.h>
#include <c10/core/GradMode.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <gtest/gtest.h>

#include <memory>
#include <tuple>

namespace longlora {
namespace {

/// Counts the bytes of the processor's allocator while it lives.
class LiveBytes {
public:
    LiveBytes()
        : m_counter(std::make_shared<Counter>())
        , m_guard(c10::DebugInfoKind::PROFILER_STATE, m_counter)
    {}
    double now() const { return static_cast<double>(m_counter->bytes); }
    double peak() const { return static_cast<double>(m_counter->peak); }
    void forgetPeak() { m_counter->peak = m_counter->bytes; }

private:
    struct Counter : c10::MemoryReportingInfoBase {
        void reportMemoryUsage(void*, std::int64_t size, std::size_t, std::size_t,
                               c10::Device) override
        {
            bytes += size;
            peak = std::max(peak, bytes);
        }
        bool memoryProfilingEnabled() const override { return true; }
        std::int64_t bytes = 0;
        std::int64_t peak = 0;
    };
    std::shared_ptr<Counter> m_counter;
    c10::DebugInfoGuard m_guard;
};

ModelConfig shapeOf(const std::string& name)
{
    ModelConfig config = readModelConfig(test::golden("models/" + name));
    config.hiddenSize = 256;
    config.intermediateSize = config.gatedMlp ? 640 : 1024;
    config.headCount = 8;
    config.kvHeadCount = config.fusedQueryKeyValue ? 8 : 4;
    config.headDim = 32;
    config.layerCount = 1;
    return config;
}

constexpr std::int64_t kTokens = 4096;

/// What attention takes beside its results, in numbers of fp32: by our kernel, or by LibTorch's on
/// a processor that lacks what ours needs.
double attentionNumbers(const ModelConfig& config, const RunConfig& run)
{
    const auto threads = static_cast<double>(at::get_num_threads());
    if (!cpuFlashTakes(at::empty({1, 1, 1, config.headDim}))) {
        return attentionCallWidth(config, run) * kTokens + threads * 256.0 * 1024.0;
    }
    constexpr double kTiles = 64.0 * 1024.0; // of scores, the same for any length
    return threads * (attentionScratchBytes(config, run, kTokens, 4.0) / 4.0 + kTiles);
}

class LayerMemoryUse
    : public testing::TestWithParam<std::tuple<std::string, RecomputeLevel, std::int64_t>> {};

TEST_P(LayerMemoryUse, IsWhatThePlannerSays)
{
    const auto& [name, level, tile] = GetParam();
    const c10::NoGradGuard noGradients;
    DecoderModel model = randomModel(shapeOf(name), 3, {at::kCPU, at::kFloat});
    const ModelConfig& config = model.config;
    for (const AttentionKind kind : {AttentionKind::Full, AttentionKind::S2}) {
        RunConfig run;
        run.attention.kind = kind;
        run.attention.group = 256;
        run.lora.targets = loraTargets(config, true);
        TrainableSet trainables(model, run);
        const auto layout = attentionLayout({kind, 256}, config.headCount, 1, kTokens);
        const auto rotary =
            rotaryTable(config.rope, config.rotaryDim(), 0, kTokens, kTokens, at::kCPU, at::kFloat);
        const LayerPass pass{
            model.layers[0], trainables.gradients().layers[0], config, rotary, layout, tile};
        LiveBytes live;
        LayerActivations kept;
        at::Tensor output =
            layerPassForward(pass, at::randn({kTokens, config.hiddenSize}), level, kept);
        const double outputBytes = static_cast<double>(output.nbytes());
        const double keptPlanned = keptPerToken(config, level) * kTokens * 4.0;
        EXPECT_NEAR((live.now() - outputBytes) / keptPlanned, 1.0, 0.05);

        live.forgetPeak();
        layerPassBackward(pass, kept, output);
        const double planned =
            keptPlanned + workedOn(config, run,
                                   {level, tile, kTokens, 0.0, attentionNumbers(config, run),
                                    stackedLora(config, run)}) *
                              4.0;
        EXPECT_NEAR(live.peak() / planned, 1.0, 0.1) << static_cast<int>(kind);
    }
}

class TiledLayerMemoryUse : public testing::TestWithParam<std::string> {};

TEST_P(TiledLayerMemoryUse, IsWhatThePlannerSays)
{
    const c10::NoGradGuard noGradients;
    DecoderModel model = randomModel(shapeOf(GetParam()), 3, {at::kCPU, at::kFloat});
    const ModelConfig& config = model.config;
    RunConfig run;
    run.attention.group = 256;
    run.lora.targets = loraTargets(config, true);
    TrainableSet trainables(model, run);
    const auto layout = attentionLayout({AttentionKind::S2, 256}, config.headCount, 1, kTokens);
    const auto rotary =
        rotaryTable(config.rope, config.rotaryDim(), 0, kTokens, kTokens, at::kCPU, at::kFloat);
    const LayerPass pass{
        model.layers[0], trainables.gradients().layers[0], config, rotary, layout, 128};
    constexpr std::int64_t kTile = 1024;
    const StackedLora lora = stackedLora(config, run);
    const double whole =
        workedOn(config, run,
                 {RecomputeLevel::Full, 128, kTokens, 0.0, attentionNumbers(config, run), lora});
    const double tiled = workedOn(
        config, run,
        {RecomputeLevel::Full, 128, kTokens, kTile + 128.0, attentionNumbers(config, run), lora});
    EXPECT_LT(tiled, 0.55 * whole);

    LiveBytes live;
    LayerActivations kept;
    at::Tensor output =
        tiledLayerForward(pass, kTile, at::randn({kTokens, config.hiddenSize}), kept);
    live.forgetPeak();
    tiledLayerBackward(pass, kTile, kept, output);
    const double planned = (keptPerToken(config, RecomputeLevel::Full) * kTokens + tiled) * 4.0;
    EXPECT_NEAR(live.peak() / planned, 1.0, 0.1);
}

INSTANTIATE_TEST_SUITE_P(Families, TiledLayerMemoryUse,
                         testing::Values("llama-mha", "mistral-gqa", "qwen2", "qwen3", "gpt-neox"));

INSTANTIATE_TEST_SUITE_P(
    Families, LayerMemoryUse,
    testing::Combine(testing::Values("llama-mha", "mistral-gqa", "qwen2", "qwen3", "gpt-neox"),
                     testing::Values(RecomputeLevel::None, RecomputeLevel::Mlp, RecomputeLevel::Qkv,
                                     RecomputeLevel::Output, RecomputeLevel::Full),
                     testing::Values(0, 128)));

} // namespace
} // namespace longlora
