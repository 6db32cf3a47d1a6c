// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/nearest_name.h"

#include <gtest/gtest.h>

#include <array>

namespace longlora {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"rank", "alpha", "dropout", "learning_rate"};

TEST(NearestName, FindsOneTypingErrorOfEachKind)
{
    EXPECT_EQ(nearestName("rnak", kNames), "rank");        // swapped
    EXPECT_EQ(nearestName("alpa", kNames), "alpha");       // left out
    EXPECT_EQ(nearestName("drropout", kNames), "dropout"); // doubled
    EXPECT_EQ(nearestName("ramk", kNames), "rank");        // wrong key
    EXPECT_EQ(nearestName("Learning_Rate", kNames), "learning_rate");
}

TEST(NearestName, LongNamesMayDifferMore)
{
    EXPECT_EQ(nearestName("lerning_raet", kNames), "learning_rate");
}

TEST(NearestName, NamesNothingThatIsNotPlausiblyMeant)
{
    EXPECT_EQ(nearestName("colour", kNames), "");
    EXPECT_EQ(nearestName("rank", {}), "");
    EXPECT_EQ(nearestName(std::string(100000, 'x'), kNames), "");
}

TEST(NearestName, TakesTheFirstOfEquallyNear)
{
    constexpr std::array<std::string_view, 2> kTwins = {"beta1", "beta2"};
    EXPECT_EQ(nearestName("beta", kTwins), "beta1");
}

} // namespace
} // namespace longlora
