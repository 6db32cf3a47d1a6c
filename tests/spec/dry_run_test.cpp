// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/run/dry_run.h"
#include "tests/spec/planned_models.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

TEST(DryRunRecord, SetsTheLastStepAndTheCheckpointBesideThePlan)
{
    DeviceProfile device;
    device.fp32FlopsPerSecond = 1e10;
    RunConfig config = test::runAt(1024);
    config.checkpoint.keep = 3;
    const MemoryPlan plan = planMemory(test::tiny(), config, device);
    DryRunRecord record(plan, config);
    EXPECT_EQ(record.figures().at(0).predicted, plan.peakBytes);
    EXPECT_EQ(record.figures().at(0).excess(), 0.0) << "nothing measured yet";
    RunStarted started;
    started.plannedPeakBytes = 100.0;
    StepDone step;
    step.seconds = 9.0;
    step.peakBytes = 90.0;
    record.take({{}, started});
    record.take({{}, step});
    step.seconds = 2.0;
    step.peakBytes = 108.0;
    record.take({{}, step});
    record.take({{}, CheckpointWritten{2, "", 50.0, 0.5}});
    const std::vector<DryRunFigure> figures = record.figures();
    ASSERT_EQ(figures.size(), 4U);
    EXPECT_EQ(figures[0].predicted, 100.0);
    EXPECT_NEAR(figures[0].excess(), 0.08, 1e-12);
    EXPECT_TRUE(figures[0].isBytes());
    EXPECT_EQ(figures[1].predicted, plan.secondsPerStep);
    EXPECT_EQ(figures[1].measured, 2.0);
    EXPECT_FALSE(figures[1].isBytes());
    EXPECT_EQ(figures[2].predicted, plan.diskBytes / 5);
    EXPECT_EQ(figures[2].measured, 50.0);
    EXPECT_EQ(figures[3].predicted, 0.0) << "a disk's speed is not foretold";
    EXPECT_EQ(figures[3].measured, 0.5);
}

} // namespace
} // namespace longlora
