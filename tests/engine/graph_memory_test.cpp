// SPDX-License-Identifier: GPL-3.0-or-later
// What a layer's graph keeps, as the allocator says, against what the planner says.
#include "core/engine/attention/segmented_attention.h"
#include "core/engine/model/random_model.h"
#include "core/engine/train/trainable_set.h"
#include "core/spec/plan/recompute_choice.h"
#include "tests/support/golden_model.h"

#include <c10/core/Allocator.h>
#include <c10/core/GradMode.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <gtest/gtest.h>

#include <memory>

namespace longlora {
namespace {

/// Counts the bytes of the processor's allocator while it lives.
class LiveBytes {
public:
    LiveBytes()
        : m_counter(std::make_shared<Counter>())
        , m_guard(c10::DebugInfoKind::PROFILER_STATE, m_counter)
    {}
    std::int64_t now() const { return m_counter->bytes; }

private:
    struct Counter : c10::MemoryReportingInfoBase {
        void reportMemoryUsage(void*, std::int64_t size, std::size_t, std::size_t,
                               c10::Device) override
        {
            bytes += size;
        }
        bool memoryProfilingEnabled() const override { return true; }
        std::int64_t bytes = 0;
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

class GraphMemory : public testing::TestWithParam<std::string> {};

TEST_P(GraphMemory, IsWhatThePlannerSays)
{
    constexpr std::int64_t kTokens = 512;
    for (const bool trainsMlp : {false, true}) {
        DecoderModel model = randomModel(shapeOf(GetParam()), 3, {at::kCPU, at::kFloat});
        const ModelConfig& config = model.config;
        RunConfig run;
        run.lora.targets = loraTargets(config, !trainsMlp);
        TrainableSet trainables(model, run);
        const auto layout = attentionLayout({}, config.headCount, 1, kTokens);
        const auto rotary =
            rotaryTable(config.rope, config.rotaryDim(), 0, kTokens, kTokens, at::kCPU, at::kFloat);
        const Attend attend = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
            return segmentedAttention(q, k, v, layout);
        };
        const at::AutoGradMode recording(true);
        const LiveBytes live;
        at::Tensor input = at::randn({1, kTokens, config.hiddenSize}).requires_grad_();
        at::Tensor output = layerForward(model.layers[0], config, input, rotary, attend);
        const double outputBytes = static_cast<double>(output.nbytes());
        const double measured = static_cast<double>(live.now()) - outputBytes;
        const double planned = layerGraphBytes(config, run, kTokens, 4.0);
        RecordProperty("measured_over_planned", std::to_string(measured / planned));
        EXPECT_NEAR(measured / planned, 1.0, 0.1) << trainsMlp;
    }
}

INSTANTIATE_TEST_SUITE_P(Families, GraphMemory,
                         testing::Values("llama-mha", "mistral-gqa", "qwen2", "qwen3", "gpt-neox"),
                         [](const auto& param) {
                             std::string name = param.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

} // namespace
} // namespace longlora
