// SPDX-License-Identifier: GPL-3.0-or-later
// What makes a plan smaller: tiles of groups, rows of the embedding; and what may then be larger.
#include "core/spec/plan/layer_memory.h"
#include "core/spec/plan/memory_planner.h"
#include "tests/spec/planned_models.h"

#include <gtest/gtest.h>

#include <cmath>

namespace longlora {
namespace {

using test::bytesOf;
using test::deviceWith;
using test::gpuWith;
using test::llama2;
using test::runAt;

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

TEST(PlanMemory, WorksOnTilesOfGroupsWhereLayersKeepNothing)
{
    RunConfig config = runAt(65536);
    config.attention.group = 2048;
    config.memory.recompute = RecomputeLevel::Full;
    const MemoryPlan plan = planMemory(llama2(), config, deviceWith(0));
    EXPECT_EQ(plan.layerMemory.groupTile, 4096);
    const double tiled = bytesOf(plan, "Backward of one layer");
    const double tokens = 65536.0 * 4096 * 4;
    EXPECT_GT(tiled, tokens) << "the gradient of the output is whole";
    EXPECT_LT(tiled, 2.0 * tokens);
    config.attention.fullFinalFraction = 0.1;
    const MemoryPlan full = planMemory(llama2(), config, deviceWith(0));
    EXPECT_EQ(full.layerMemory.groupTile, 0) << "the last steps see everything";
    EXPECT_GT(bytesOf(full, "Backward of one layer"), 4.0 * tokens);
}

TEST(PlanMemory, CountsMomentsInTheirOwnFormat)
{
    RunConfig config = runAt(4096);
    config.method = TrainingMethod::Full;
    const auto moments = [&](MomentFormat format) {
        config.optimizer.moments = format;
        return bytesOf(planMemory(llama2(), config, deviceWith(0)), "Optimizer moments");
    };
    const double full = moments(MomentFormat::Fp32);
    EXPECT_GT(full, 8.0 * 6e9);
    EXPECT_EQ(moments(MomentFormat::BFloat16), full / 2.0);
    EXPECT_EQ(moments(MomentFormat::EightBit), full * (264.0 / 1024.0)) << "kernels/adamw.h";
    config.precision.compute = ComputePrecision::Fp64;
    EXPECT_EQ(moments(MomentFormat::EightBit), 2.0 * full);
}

TEST(PlanMemory, CountsTheCopiesOfTheDeterministicBackward)
{
    RunConfig config = runAt(16384);
    config.attention.kind = AttentionKind::Full;
    config.precision.compute = ComputePrecision::Bf16;
    config.memory.recompute = RecomputeLevel::Full;
    const DeviceProfile device = gpuWith(80.0 * kGiB);
    const double fast = bytesOf(planMemory(llama2(), config, device), "Attention kernel");
    config.precision.deterministic = true;
    const double exact = bytesOf(planMemory(llama2(), config, device), "Attention kernel");
    const double copies = std::ceil(132.0 / 32.0); // multiprocessors, heads
    EXPECT_EQ(exact - fast, (copies - 1.0) * 4.0 * 16384.0 * 4096.0);
    config.attention.kind = AttentionKind::S2; // 4 groups of 16 heads at once
    const double grouped = bytesOf(planMemory(llama2(), config, device), "Attention kernel");
    EXPECT_LT(grouped, exact);
}

TEST(GroupTile, IsWholeGroupsOrNone)
{
    RunConfig config;
    const auto tile = [&](std::int64_t group, std::int64_t tokens) {
        config.attention.group = group;
        return groupTileTokens(config, tokens);
    };
    EXPECT_EQ(tile(256, 8192), 4096);
    EXPECT_EQ(tile(256, 8191), 0) << "two tiles at least";
    EXPECT_EQ(tile(3000, 12000), 6000);
    EXPECT_EQ(tile(8192, 100000), 16384);
    EXPECT_EQ(tile(1500, 100000), 4500);
    config.attention.edge = GroupEdge::Circular;
    EXPECT_EQ(tile(256, 8192), 0);
    config.attention = {};
    EXPECT_EQ(groupTileTokens(config, 16384), 8192) << "of the ratio's groups, two";
    config.attention.kind = AttentionKind::Full;
    EXPECT_EQ(groupTileTokens(config, 16384), 0);
}

TEST(PlanMemory, CountsAHeldOutRowWhereTrainingTakesLess)
{
    RunConfig config = runAt(65536);
    config.attention.group = 2048;
    config.memory.offload = OffloadMode::On;
    const MemoryPlan without = planMemory(llama2(), config, gpuWith(80 * kGiB));
    config.data.validation = {"held-out.txt"};
    const MemoryPlan with = planMemory(llama2(), config, gpuWith(80 * kGiB));
    EXPECT_EQ(bytesOf(without, "Held-out loss, beyond training"), 0.0);
    EXPECT_GT(bytesOf(with, "Held-out loss, beyond training"), 0.0);
    EXPECT_DOUBLE_EQ(with.peakBytes - without.peakBytes,
                     bytesOf(with, "Held-out loss, beyond training"));
    config.evaluation.everySteps = 0;
    EXPECT_EQ(planMemory(llama2(), config, gpuWith(80 * kGiB)).peakBytes, without.peakBytes);
}

TEST(PlanMemory, OfATrainedEmbeddingOnlyTheRowsOfTheDataAreUpdated)
{
    const DataFacts data{1000};
    const double trained = 8388608 + 131072000 + 266240;
    const double updated = 8388608 + 1000 * 4096 + 266240;
    RunConfig config = runAt(1024);
    const MemoryPlan fp32 = planMemory(llama2(), config, deviceWith(0), data);
    EXPECT_EQ(bytesOf(fp32, "Trained weights"), updated * 4);
    const double stacked = 8388608 * 0.75; // of q, k and v, which are slices of one matrix
    EXPECT_EQ(bytesOf(fp32, "Compute copy of trained weights"), (131072000 + stacked) * 4.0);
    EXPECT_EQ(bytesOf(fp32, "Gradients"), updated * 4);
    EXPECT_EQ(bytesOf(fp32, "Optimizer moments"), updated * 8);
    EXPECT_EQ(fp32.trainableParameters, 139726848);

    config.precision.compute = ComputePrecision::Bf16;
    const MemoryPlan bf16 = planMemory(llama2(), config, deviceWith(0), data);
    EXPECT_EQ(bytesOf(bf16, "Compute copy of trained weights"), trained * 2);
    EXPECT_EQ(bf16.trainableBytes, updated * 16 + trained * 2);

    config.method = TrainingMethod::Full;
    EXPECT_EQ(planMemory(llama2(), config, deviceWith(0), data).trainableBytes,
              planMemory(llama2(), config, deviceWith(0)).trainableBytes);
}

} // namespace
} // namespace longlora
