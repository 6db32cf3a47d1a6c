// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/leaner_memory.h"
#include "core/spec/plan/plan_quantities.h"
#include "tests/spec/planned_models.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace longlora {
namespace {

constexpr auto kNone = RecomputeLevel::None;
constexpr auto kMlp = RecomputeLevel::Mlp;
constexpr auto kFull = RecomputeLevel::Full;

std::vector<LeanerStep> stagesFrom(const StepMemory& memory, const StepScope& scope)
{
    std::vector<LeanerStep> stages;
    for (auto next = leanerStep(memory, scope); next; next = leanerStep(next->memory, scope)) {
        stages.push_back(*next);
        if (stages.size() > 100) {
            break;
        }
    }
    return stages;
}

TEST(LeanerMemory, GoesFromWhatCostsLeastTimeToWhatCostsMostAndThenEnds)
{
    const StepMemory memory{2, {{kMlp, kNone, kNone}, 1024, false}};
    const auto stages = stagesFrom(memory, {3, 4096, true});
    const std::vector<std::string> expected{
        "the MLP works on 256 tokens at a time instead of 1,024",
        "the MLP works on 128 tokens at a time instead of 256",
        "one row at a time instead of 2",
        "2 of 3 layers compute more again (recompute mlp instead of none)",
        "3 of 3 layers compute more again (recompute qkv instead of mlp)",
        "3 of 3 layers compute more again (recompute output instead of qkv)",
        "3 of 3 layers compute more again (recompute full instead of output)",
        "the layers' inputs wait in the memory of the host"};
    ASSERT_EQ(stages.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(stages[i].change, expected[i]);
    }
    EXPECT_EQ(stages[3].memory.layers.recompute, (std::vector{kMlp, kMlp, kMlp}));
    EXPECT_EQ(stages.back().memory, (StepMemory{1, {{kFull, kFull, kFull}, 128, true}}));
}

TEST(LeanerMemory, OneLevelForAllLayersIsALevelOfEach)
{
    const auto next = leanerStep({1, {{RecomputeLevel::Output}, 64, false}}, {12, 4096, false});
    ASSERT_TRUE(next);
    EXPECT_EQ(next->memory.layers.recompute, std::vector<RecomputeLevel>(12, kFull));
}

TEST(LeanerMemory, HasNothingLeftWhereAllIsDone)
{
    EXPECT_FALSE(leanerStep({1, {{kFull}, 128, false}}, {12, 4096, false}));
    EXPECT_FALSE(leanerStep({1, {{kFull}, 128, true}}, {12, 4096, true}));
    EXPECT_FALSE(leanerStep({1, {{kFull}, 0, false}}, {12, 100, false})); // a tile of all 100
    EXPECT_FALSE(leanerStep({1, {{kFull}, 0, false}}, {1, 100, true}));   // the layer in use stays
}

TEST(LeanerMemory, AMicroBatchOfThreeBecomesOneAndTilesCountItsTokens)
{
    const auto stages = stagesFrom({3, {{kFull}, 0, false}}, {1, 100, false});
    ASSERT_EQ(stages.size(), 2U);
    EXPECT_EQ(stages[0].change, "the MLP works on 128 tokens at a time instead of 300");
    EXPECT_EQ(stages[1].change, "one row at a time instead of 3");
}

/// What the planner says of each stage of a run on `device`.
std::vector<double> peaks(const ModelConfig& model, const RunConfig& config,
                          const DeviceProfile& device)
{
    PlanQuantities q = quantitiesOf(model, config, device);
    q.memory = {{kNone}, mlpTileTokens(config)};
    std::vector<double> bytes{peakOf(model, config, q)};
    const StepScope scope{model.layerCount, static_cast<std::int64_t>(q.length),
                          mayOffload(config, q)};
    for (const LeanerStep& stage : stagesFrom({config.batch.microBatch, q.memory}, scope)) {
        q.rows = static_cast<double>(stage.memory.microBatch);
        q.memory = stage.memory.layers;
        bytes.push_back(peakOf(model, config, q));
    }
    return bytes;
}

TEST(LeanerMemory, EveryStageIsPlannedWithLessMemoryOrTheSame)
{
    for (const ModelConfig& model :
         {test::llama2(), test::llama2Large(), test::pythia(), test::tiny()}) {
        for (const DeviceKind kind : {DeviceKind::Cpu, DeviceKind::Cuda}) {
            RunConfig config = test::runAt(32768);
            config.batch.microBatch = 2;
            DeviceProfile device;
            device.kind = kind;
            const std::vector<double> bytes = peaks(model, config, device);
            for (std::size_t i = 1; i < bytes.size(); ++i) {
                EXPECT_LE(bytes[i], bytes[i - 1] * (1.0 + 1e-12))
                    << model.architecture << " stage " << i;
            }
            EXPECT_LT(bytes.back(), bytes.front());
        }
    }
}

} // namespace
} // namespace longlora
