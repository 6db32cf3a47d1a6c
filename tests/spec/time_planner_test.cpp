// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/time_planner.h"
#include "tests/spec/planned_models.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

using test::llama2;
using test::pythia;
using test::runAt;
using test::tiny;

const LayerMemory kFull{{RecomputeLevel::Full}};

TEST(StepFlops, CountsEveryPass)
{
    // One layer, numbers small enough to count by hand.
    ModelConfig model = tiny();
    model.layerCount = 1;
    model.hiddenSize = 8;
    model.intermediateSize = 16;
    model.headCount = 2;
    model.kvHeadCount = 1;
    model.headDim = 4;
    model.vocabularySize = 10;
    RunConfig config = runAt(4);
    config.attention.kind = AttentionKind::Full;
    config.lora.targets = {"q_proj"};
    config.lora.rank = 2;
    config.batch.microBatch = 3;
    config.batch.accumulation = 5;
    const double rows = 15;
    const double tokens = rows * 4;
    const double linears = 8 * 8 + 2 * (8 * 4) + 8 * 8 + 3 * 8 * 16;
    const double lora = 2 * (8 + 8);
    const double attention = rows * 10 * 2 * 4 * 4; // 10 pairs, 2 heads of 4, 4 operations
    const double none = tokens * (4 * linears + 6 * lora + 4 * 80) + attention * (1 + 2.5);
    const double again[] = {0, 2 * 2 * 8 * 16, 2 * (8 * 8 + 2 * 8 * 4), 2 * 8 * 8, 0};
    double sum = none;
    for (const RecomputeLevel level :
         {RecomputeLevel::None, RecomputeLevel::Mlp, RecomputeLevel::Qkv, RecomputeLevel::Output}) {
        sum += tokens * again[static_cast<int>(level) - 1];
        EXPECT_EQ(stepFlops(model, config, {{level}}), sum);
    }
    EXPECT_EQ(stepFlops(model, config, kFull), sum + attention);
    config.method = TrainingMethod::Full;
    EXPECT_EQ(stepFlops(model, config, {{RecomputeLevel::None}}),
              tokens * (6 * linears + 6 * 80) + attention * (1 + 2.5));
}

TEST(StepFlops, CountTheLinearMapsOfTheFamily)
{
    RunConfig config = runAt(1);
    config.attention.kind = AttentionKind::Full;
    config.lora.targets = {"dense"};
    config.batch.accumulation = 1;
    ModelConfig model = pythia();
    const double linears = 4.0 * 2048 * 2048 + 2.0 * 2048 * 8192; // no gate
    const double lora = 24 * 8 * (2.0 * 2048);
    const double attention = 24.0 * 2048 * 4 * 4.5;         // one pair a head
    const double again = 3.0 * 2048 * 2048 + 2048.0 * 8192; // q, k, v and the MLP's first
    EXPECT_EQ(stepFlops(model, config, kFull),
              24 * (4 * linears + 2 * again) + 6 * lora + 4 * 50304.0 * 2048 + attention);
}

TEST(StepFlops, SlidingWindowBoundsThePairs)
{
    const auto flops = [](std::int64_t length, std::int64_t window, AttentionKind kind) {
        ModelConfig model = tiny();
        model.slidingWindow = window;
        RunConfig config = runAt(length);
        config.attention.kind = kind;
        config.batch.accumulation = 1;
        return stepFlops(model, config, kFull);
    };
    const double perPair = 4.0 * 128 * 4 * 4.5; // layers, width of all heads, operations, passes
    for (const AttentionKind kind : {AttentionKind::Full, AttentionKind::S2}) {
        EXPECT_EQ(flops(64, 64, kind), flops(64, 0, kind)) << "fits into the window";
        EXPECT_EQ(flops(64, 1000, kind), flops(64, 0, kind));
    }
    // Ten tokens of window 3: 1 + 2 + 8 x 3 pairs instead of 55.
    EXPECT_DOUBLE_EQ(flops(10, 0, AttentionKind::Full) - flops(10, 3, AttentionKind::Full),
                     (55 - 27) * perPair);
    // Groups of 4 and shifted ones of 2, 4, 4, 4, 2 in 16 tokens, window 2: 7 pairs of each four.
    EXPECT_DOUBLE_EQ(flops(16, 0, AttentionKind::S2) - flops(16, 2, AttentionKind::S2),
                     (4 * (10 - 7) + 3 * (10 - 7)) / 2.0 * perPair);
}

TEST(StepFlops, FullFinishMixesTheTwoKindsOfAttention)
{
    const auto flops = [](double fraction) {
        RunConfig config = runAt(65536);
        config.attention.fullFinalFraction = fraction;
        return stepFlops(llama2(), config, kFull);
    };
    RunConfig full = runAt(65536);
    full.attention.kind = AttentionKind::Full;
    EXPECT_DOUBLE_EQ(flops(1.0), stepFlops(llama2(), full, kFull));
    EXPECT_LT(flops(0.0), flops(1.0));
    EXPECT_DOUBLE_EQ(flops(0.25), 0.75 * flops(0.0) + 0.25 * flops(1.0));
}

TEST(StepFlops, FixedGroupGrowsInProportionToTheLength)
{
    const auto flops = [](std::int64_t length) {
        RunConfig config = runAt(length);
        config.attention.group = 2048;
        return stepFlops(llama2(), config, kFull);
    };
    EXPECT_NEAR(flops(65536) / flops(16384), 4.0, 0.02);
}

} // namespace
} // namespace longlora
