// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/device_table.h"
#include "core/spec/plan/frontier.h"
#include "core/spec/plan/memory_planner.h"
#include "tests/spec/planned_models.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace longlora {
namespace {

using test::llama2;
using test::llama2Large;
using test::runAt;
using test::tiny;

RunConfig autoAt(std::int64_t length)
{
    RunConfig config = runAt(length);
    config.precision.compute = ComputePrecision::Auto;
    return config;
}

TEST(PlanVerdict, IsTightInTheLastTenth)
{
    EXPECT_EQ(verdictOf(90, 100), PlanVerdict::Fits);
    EXPECT_EQ(verdictOf(91, 100), PlanVerdict::Tight);
    EXPECT_EQ(verdictOf(100, 100), PlanVerdict::Tight);
    EXPECT_EQ(verdictOf(101, 100), PlanVerdict::No);
    EXPECT_EQ(verdictOf(101, 0), PlanVerdict::Fits) << "memory unknown";
    EXPECT_EQ(verdictName(PlanVerdict::Tight), "tight");
}

TEST(PlanFrontier, HasTheRunsOwnLengthAndDevices)
{
    RunConfig config = autoAt(100000);
    config.devices.ranks = 6;
    const Frontier frontier = planFrontier(llama2(), config, parseDevices("A100-80").device);
    EXPECT_TRUE(std::ranges::is_sorted(frontier.contexts));
    EXPECT_EQ(std::ranges::count(frontier.contexts, 100000), 1);
    EXPECT_EQ(std::ranges::count(frontier.contexts, 4096), 1);
    EXPECT_EQ(frontier.devices, (std::vector<std::int64_t>{1, 2, 4, 6, 8}));
    EXPECT_EQ(frontier.cells.size(), frontier.contexts.size() * frontier.devices.size());
}

TEST(PlanFrontier, CellIsWhatThePlanOfItsRunSays)
{
    RunConfig config = autoAt(32768);
    config.batch.accumulation = 64;
    for (const ModelConfig& model : {llama2(), llama2Large()}) {
        const DeviceProfile device = parseDevices("H100").device;
        const Frontier frontier = planFrontier(model, config, device);
        for (std::size_t context = 0; context < frontier.contexts.size(); ++context) {
            for (std::size_t count = 0; count < frontier.devices.size(); ++count) {
                const FrontierCell& cell = frontier.at(context, count);
                const RunConfig run = configOf(config, frontier, context, count);
                const MemoryPlan plan = planMemory(model, run, device);
                EXPECT_EQ(run.context.length, frontier.contexts[context]);
                EXPECT_EQ(run.devices.ranks, frontier.devices[count]);
                EXPECT_EQ(plan.peakBytes, cell.peakBytes);
                EXPECT_EQ(plan.fits, cell.verdict != PlanVerdict::No);
                EXPECT_EQ(plan.time.hoursPerThousandSteps(), cell.hoursPerThousandSteps);
                EXPECT_EQ(plan.time.tokens, 64.0 * static_cast<double>(run.context.length))
                    << "a step keeps its rows";
            }
        }
    }
}

TEST(PlanFrontier, MoreDevicesNeverFitLess)
{
    const Frontier frontier =
        planFrontier(llama2Large(), autoAt(32768), parseDevices("A100-80").device);
    for (std::size_t context = 0; context < frontier.contexts.size(); ++context) {
        for (std::size_t count = 1; count < frontier.devices.size(); ++count) {
            EXPECT_LE(frontier.at(context, count).verdict, frontier.at(context, count - 1).verdict);
        }
    }
    EXPECT_EQ(frontier.at(0, 0).verdict, PlanVerdict::No) << "70B on one card";
}

TEST(PlanFrontier, RowsAreSharedOnlyWhereThatIsNeededAndPossible)
{
    const DeviceProfile device = parseDevices("A100-40").device;
    RunConfig config = autoAt(4096);
    config.batch.accumulation = 64;
    const Frontier frontier = planFrontier(llama2(), config, device);
    const auto cell = [&](const Frontier& of, std::int64_t length) {
        const auto place = std::ranges::find(of.contexts, length);
        return of.at(static_cast<std::size_t>(place - of.contexts.begin()), 3);
    };
    EXPECT_EQ(cell(frontier, 4096).sequenceParallel, 1);
    EXPECT_EQ(cell(frontier, 4096).accumulation, 8);
    EXPECT_GT(cell(frontier, 524288).sequenceParallel, 1);
    config.attention.kind = AttentionKind::Full;
    EXPECT_EQ(cell(planFrontier(llama2(), config, device), 524288).sequenceParallel, 1);
    // One row a step: eight devices can only share it.
    config.attention.kind = AttentionKind::S2;
    config.batch.accumulation = 1;
    EXPECT_EQ(cell(planFrontier(llama2(), config, device), 4096).sequenceParallel, 8);
}

TEST(PlanFrontier, WorksOnWhatIsHalfTyped)
{
    RunConfig config;
    config.batch.accumulation = -1;
    config.batch.microBatch = 0;
    config.devices.ranks = 0;
    config.devices.sequenceParallel = 9;
    config.attention.group = 0;
    const DeviceProfile device = parseDevices("H200").device;
    EXPECT_FALSE(planFrontier(ModelConfig(), config, device).cells.empty());
    ModelConfig endless = tiny();
    endless.maxPositionEmbeddings = std::int64_t{1} << 55;
    endless.slidingWindow = 4096;
    config.context.length = 1024;
    config.attention.group = 2048;
    EXPECT_EQ(planFrontier(endless, config, device).contexts, std::vector<std::int64_t>{1024});
}

} // namespace
} // namespace longlora
