// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/sampler.h"
#include "core/spec/base/error.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>

namespace longlora {
namespace {

SamplingOptions plain(std::int64_t seed)
{
    SamplingOptions options;
    options.temperature = 1.0;
    options.topP = 1.0;
    options.topK = 0;
    options.seed = seed;
    return options;
}

/// Logits of given probabilities.
std::vector<float> logitsOf(const std::vector<double>& probabilities)
{
    std::vector<float> logits;
    for (const double p : probabilities) {
        logits.push_back(static_cast<float>(std::log(p)) + 3.0f);
    }
    return logits;
}

/// How often each id came in 100,000 draws, as shares.
std::map<TokenId, double> shares(const SamplingOptions& options, const std::vector<float>& logits)
{
    constexpr int kDraws = 100000;
    Sampler sampler(options);
    std::map<TokenId, double> counted;
    for (int i = 0; i < kDraws; ++i) {
        counted[sampler.next(logits)] += 1.0 / kDraws;
    }
    return counted;
}

/// Four standard deviations of a share of 100,000 draws are at most this.
constexpr double kShareTolerance = 4 * 0.5 / 316.2;

void expectShares(const std::map<TokenId, double>& counted, const std::map<TokenId, double>& wanted)
{
    ASSERT_EQ(counted.size(), wanted.size());
    for (const auto& [id, share] : wanted) {
        ASSERT_TRUE(counted.contains(id)) << id;
        EXPECT_NEAR(counted.at(id), share, kShareTolerance) << id;
    }
}

TEST(Sampler, FollowsTheDistributionAtTemperatureOne)
{
    expectShares(shares(plain(1), logitsOf({0.1, 0.5, 0.15, 0.25})),
                 {{0, 0.1}, {1, 0.5}, {2, 0.15}, {3, 0.25}});
}

TEST(Sampler, TemperatureTwoTakesTheRootOfTheProbabilities)
{
    SamplingOptions options = plain(2);
    options.temperature = 2.0;
    // Roots of 0.64, 0.32, 0.04 are 0.8, 0.5657, 0.2; their sum is 1.5657.
    expectShares(shares(options, logitsOf({0.64, 0.32, 0.04})),
                 {{0, 0.8 / 1.5657}, {1, 0.5657 / 1.5657}, {2, 0.2 / 1.5657}});
}

TEST(Sampler, TopKKeepsTheMostLikelyAndTheLowerOfEqualIds)
{
    SamplingOptions options = plain(3);
    options.topK = 2;
    expectShares(shares(options, logitsOf({0.2, 0.2, 0.4, 0.2})), {{0, 1.0 / 3}, {2, 2.0 / 3}});
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt)
{
    SamplingOptions options = plain(4);
    options.topP = 0.7;
    expectShares(shares(options, logitsOf({0.1, 0.5, 0.15, 0.25})), {{1, 2.0 / 3}, {3, 1.0 / 3}});
    options.topP = 0.01;
    expectShares(shares(options, logitsOf({0.1, 0.5, 0.15, 0.25})), {{1, 1.0}});
}

TEST(Sampler, TopPActsOnWhatTopKLeft)
{
    SamplingOptions options = plain(5);
    options.topK = 3;
    options.topP = 0.8;
    // Of 0.4, 0.3, 0.2 the first two hold 0.78 of what top-k left: the third is needed too.
    expectShares(shares(options, logitsOf({0.1, 0.2, 0.3, 0.4})),
                 {{1, 2.0 / 9}, {2, 3.0 / 9}, {3, 4.0 / 9}});
}

TEST(Sampler, DrawsAreThoseOfTheSeedInEveryBuild)
{
    // The 53 highest bits of std::mt19937_64, which the standard fixes, walked through the ids.
    std::mt19937_64 random(std::uint64_t{20240131});
    Sampler sampler(plain(20240131));
    const std::vector<float> even(8, 0.5f);
    for (int i = 0; i < 1000; ++i) {
        const double uniform = static_cast<double>(random() >> 11) / 9007199254740992.0;
        ASSERT_EQ(sampler.next(even), static_cast<TokenId>(uniform * 8.0)) << i;
    }
}

TEST(Sampler, TheSameSeedGivesTheSameTokensAndAnotherDoesNot)
{
    const std::vector<float> logits = logitsOf({0.1, 0.5, 0.15, 0.25});
    const auto draws = [&](std::int64_t seed) {
        SamplingOptions options;
        options.seed = seed;
        Sampler sampler(options);
        std::vector<TokenId> ids;
        for (int i = 0; i < 200; ++i) {
            ids.push_back(sampler.next(logits));
        }
        return ids;
    };
    EXPECT_EQ(draws(8), draws(8));
    EXPECT_NE(draws(8), draws(9));
    EXPECT_EQ(draws(-8), draws(-8));
}

TEST(Sampler, TemperatureZeroTakesTheLowestOfTheMostLikely)
{
    SamplingOptions options;
    options.temperature = 0.0;
    Sampler sampler(options);
    const std::vector<float> logits{1.0f, 7.0f, -3.0f, 7.0f, 6.9f};
    EXPECT_EQ(sampler.next(logits), 1);
    EXPECT_EQ(mostLikely(logits), 1);
}

TEST(Sampler, SmallTemperaturesDoNotOverflow)
{
    SamplingOptions options = plain(6);
    options.temperature = 1e-6;
    Sampler sampler(options);
    const std::vector<float> logits{-1e30f, 80.0f, 81.0f, -std::numeric_limits<float>::infinity()};
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(sampler.next(logits), 2);
    }
}

TEST(Sampler, RefusesLogitsThatAreNotNumbers)
{
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float infinity = std::numeric_limits<float>::infinity();
    for (const std::vector<float>& logits :
         {std::vector<float>{1.0f, nan, 2.0f}, std::vector<float>{nan},
          std::vector<float>{infinity, 1.0f}, std::vector<float>{-infinity, -infinity},
          std::vector<float>{}}) {
        EXPECT_THROW(mostLikely(logits), DataError);
        Sampler sampler(plain(7));
        EXPECT_THROW(sampler.next(logits), DataError);
    }
}

TEST(Sampler, RefusesSettingsThatMeanNothing)
{
    const auto refused = [](auto change) {
        SamplingOptions options;
        change(options);
        EXPECT_THROW(Sampler{options}, ConfigError);
    };
    const double nan = std::numeric_limits<double>::quiet_NaN();
    refused([](SamplingOptions& o) { o.temperature = -0.1; });
    refused([&](SamplingOptions& o) { o.temperature = nan; });
    refused([](SamplingOptions& o) { o.topP = 0.0; });
    refused([](SamplingOptions& o) { o.topP = 1.01; });
    refused([&](SamplingOptions& o) { o.topP = nan; });
    refused([](SamplingOptions& o) { o.topK = -1; });
}

} // namespace
} // namespace longlora
