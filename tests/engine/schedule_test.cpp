// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/schedule.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

ScheduleConfig schedule(ScheduleKind kind)
{
    ScheduleConfig config;
    config.kind = kind;
    config.warmupSteps = 10;
    return config;
}

TEST(Schedule, WarmsUpFromZero)
{
    for (const auto kind : {ScheduleKind::Constant, ScheduleKind::Cosine, ScheduleKind::Linear}) {
        EXPECT_EQ(scheduledRate(schedule(kind), 2.0, 0, 110), 0.0);
        EXPECT_DOUBLE_EQ(scheduledRate(schedule(kind), 2.0, 5, 110), 1.0);
        EXPECT_DOUBLE_EQ(scheduledRate(schedule(kind), 2.0, 10, 110), 2.0);
    }
}

TEST(Schedule, FallsAsItsKindSays)
{
    EXPECT_DOUBLE_EQ(scheduledRate(schedule(ScheduleKind::Constant), 2.0, 100, 110), 2.0);
    EXPECT_NEAR(scheduledRate(schedule(ScheduleKind::Cosine), 2.0, 60, 110), 1.0, 1e-12);
    EXPECT_NEAR(scheduledRate(schedule(ScheduleKind::Linear), 2.0, 60, 110), 1.0, 1e-12);
    EXPECT_NEAR(scheduledRate(schedule(ScheduleKind::Linear), 2.0, 110, 110), 0.0, 1e-12);
}

TEST(Schedule, TheLastPartOfTheStepsRunsWithFullAttention)
{
    AttentionConfig attention;
    attention.fullFinalFraction = 0.4;
    EXPECT_EQ(firstFullAttentionStep(attention, 100), 60);
    attention.fullFinalFraction = 0.0;
    EXPECT_EQ(firstFullAttentionStep(attention, 100), 100);
    attention.kind = AttentionKind::Full;
    EXPECT_EQ(firstFullAttentionStep(attention, 100), 0);
}

} // namespace
} // namespace longlora
