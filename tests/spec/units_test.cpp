// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/units.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace longlora {
namespace {

TEST(Units, BytesHaveThreeDigitsAndABinaryUnit)
{
    EXPECT_EQ(formatBytes(0), "0 B");
    EXPECT_EQ(formatBytes(17), "17 B");
    EXPECT_EQ(formatBytes(12 * 1024), "12 KiB");
    EXPECT_EQ(formatBytes(640.0 * 1024 * 1024), "640 MiB");
    EXPECT_EQ(formatBytes(1.25 * 1024 * 1024 * 1024), "1.25 GiB");
    EXPECT_EQ(formatBytes(12.34 * 1024), "12.3 KiB");
    EXPECT_EQ(formatBytes(std::pow(1024.0, 4)), "1 TiB");
}

TEST(Units, BytesNeverShow1024OfAUnit)
{
    EXPECT_EQ(formatBytes(1023), "1023 B");
    EXPECT_EQ(formatBytes(1024), "1 KiB");
    EXPECT_EQ(formatBytes(1023.9 * 1024), "1 MiB");
    EXPECT_EQ(formatBytes(9.999 * 1024), "10 KiB");
    EXPECT_EQ(formatBytes(99.97 * 1024), "100 KiB");
}

TEST(Units, OddNumbersStayReadable)
{
    EXPECT_EQ(formatBytes(-2048), "-2 KiB");
    EXPECT_EQ(formatBytes(std::numeric_limits<double>::quiet_NaN()), "unknown");
    EXPECT_EQ(formatDuration(std::numeric_limits<double>::infinity()), "unknown");
    EXPECT_EQ(formatDuration(-3), "-3.0 s");
}

TEST(Units, DurationsHaveTwoUnitsAtMost)
{
    EXPECT_EQ(formatDuration(0), "0 s");
    EXPECT_EQ(formatDuration(0.035), "35 ms");
    EXPECT_EQ(formatDuration(0.00042), "0.42 ms");
    EXPECT_EQ(formatDuration(4.2), "4.2 s");
    EXPECT_EQ(formatDuration(42.4), "42 s");
    EXPECT_EQ(formatDuration(200), "3 min 20 s");
    EXPECT_EQ(formatDuration(2 * 3600 + 14 * 60), "2 h 14 min");
    EXPECT_EQ(formatDuration(50 * 3600), "2 d 2 h");
}

TEST(Units, DurationsRoundIntoTheNextUnit)
{
    EXPECT_EQ(formatDuration(0.9999), "1.0 s");
    EXPECT_EQ(formatDuration(59.7), "1 min 0 s");
    EXPECT_EQ(formatDuration(3599.8), "1 h 0 min");
    EXPECT_EQ(formatDuration(7199), "2 h 0 min");
}

TEST(Units, CountsAreGroupedByThousands)
{
    EXPECT_EQ(formatCount(0), "0");
    EXPECT_EQ(formatCount(999), "999");
    EXPECT_EQ(formatCount(1000), "1,000");
    EXPECT_EQ(formatCount(1234567), "1,234,567");
    EXPECT_EQ(formatCount(-123), "-123");
    EXPECT_EQ(formatCount(-1234), "-1,234");
    EXPECT_EQ(formatCount(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
}

} // namespace
} // namespace longlora
