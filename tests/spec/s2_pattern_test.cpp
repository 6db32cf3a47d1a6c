// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/attention/s2_pattern.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

using Segment = S2Pattern::Segment;

/// Each pattern with lengths 1 to 97, groups 1 to 40, both edges.
template <class Check>
void forEachPattern(const Check& check)
{
    for (const GroupEdge edge : {GroupEdge::Clipped, GroupEdge::Circular}) {
        for (std::int64_t length = 1; length <= 97; ++length) {
            for (std::int64_t group = 1; group <= 40; ++group) {
                check(S2Pattern{length, group, edge});
            }
        }
    }
}

constexpr HeadHalf kHalves[] = {HeadHalf::Plain, HeadHalf::Shifted};

std::string name(const S2Pattern& pattern)
{
    return "length " + std::to_string(pattern.length) + ", group " + std::to_string(pattern.group) +
           (pattern.edge == GroupEdge::Clipped ? ", clipped" : ", circular");
}

TEST(S2Pattern, SegmentsCoverTheSequenceInOrder)
{
    forEachPattern([](const S2Pattern& pattern) {
        for (const HeadHalf half : kHalves) {
            std::int64_t next = 0;
            for (const Segment& segment : pattern.segments(half)) {
                ASSERT_EQ(segment.begin, next) << name(pattern);
                ASSERT_GT(segment.end, segment.begin) << name(pattern);
                ASSERT_LE(segment.end - segment.begin, pattern.group) << name(pattern);
                next = segment.end;
            }
            ASSERT_EQ(next, pattern.length) << name(pattern);
        }
    });
}

TEST(S2Pattern, VisibleIsCausalInsideSegments)
{
    forEachPattern([](const S2Pattern& pattern) {
        for (const HeadHalf half : kHalves) {
            std::vector<std::int64_t> segmentOfRank;
            for (const Segment& segment : pattern.segments(half)) {
                segmentOfRank.insert(segmentOfRank.end(),
                                     static_cast<std::size_t>(segment.end - segment.begin),
                                     segment.begin);
            }
            const std::int64_t n = pattern.length;
            const std::int64_t roll = pattern.roll(half);
            bool agree = true;
            for (std::int64_t q = 0; q < n; ++q) {
                for (std::int64_t k = 0; k < n; ++k) {
                    const bool expected = k <= q && segmentOfRank[static_cast<std::size_t>(q)] ==
                                                        segmentOfRank[static_cast<std::size_t>(k)];
                    agree =
                        agree && expected == pattern.visible(half, (q + roll) % n, (k + roll) % n);
                }
            }
            ASSERT_TRUE(agree) << name(pattern);
        }
    });
}

/// The definition, written as it stands in the description of the reference data.
bool reference(const S2Pattern& p, HeadHalf half, std::int64_t i, std::int64_t j)
{
    const std::int64_t s = p.group / 2;
    if (half == HeadHalf::Plain) {
        return i / p.group == j / p.group && j <= i;
    }
    if (p.edge == GroupEdge::Clipped) {
        return (i + p.group - s) / p.group == (j + p.group - s) / p.group && j <= i;
    }
    const auto rank = [&](std::int64_t token) {
        return (((token - s) % p.length) + p.length) % p.length;
    };
    return rank(i) / p.group == rank(j) / p.group && rank(j) <= rank(i);
}

TEST(S2Pattern, VisibleIsTheDefinition)
{
    forEachPattern([](const S2Pattern& pattern) {
        bool agree = true;
        for (const HeadHalf half : kHalves) {
            for (std::int64_t i = 0; i < pattern.length; ++i) {
                for (std::int64_t j = 0; j < pattern.length; ++j) {
                    agree = agree && reference(pattern, half, i, j) == pattern.visible(half, i, j);
                }
            }
        }
        ASSERT_TRUE(agree) << name(pattern);
    });
}

TEST(S2Pattern, ClippedEdgeNeverSeesALaterToken)
{
    forEachPattern([](const S2Pattern& pattern) {
        if (pattern.edge == GroupEdge::Circular) {
            return;
        }
        bool leaks = false;
        for (const HeadHalf half : kHalves) {
            for (std::int64_t i = 0; i < pattern.length; ++i) {
                for (std::int64_t j = i + 1; j < pattern.length; ++j) {
                    leaks = leaks || pattern.visible(half, i, j);
                }
            }
        }
        ASSERT_FALSE(leaks) << name(pattern);
    });
}

TEST(S2Pattern, CircularEdgeLeaksTheTailIntoTheHead)
{
    for (const std::int64_t group : {2, 4, 10, 24}) {
        const S2Pattern pattern{group * 4, group, GroupEdge::Circular};
        std::int64_t illegal = 0;
        for (std::int64_t i = 0; i < pattern.length; ++i) {
            for (std::int64_t j = i + 1; j < pattern.length; ++j) {
                illegal += pattern.visible(HeadHalf::Shifted, i, j) ? 1 : 0;
            }
        }
        EXPECT_EQ(illegal, (group / 2) * (group / 2)) << name(pattern);
    }
}

TEST(S2Pattern, EveryTokenSeesItself)
{
    forEachPattern([](const S2Pattern& pattern) {
        for (const HeadHalf half : kHalves) {
            for (std::int64_t i = 0; i < pattern.length; ++i) {
                ASSERT_TRUE(pattern.visible(half, i, i)) << name(pattern);
            }
        }
    });
}

TEST(S2Pattern, BordersAreLongLorasAtAQuarter)
{
    const S2Pattern pattern{8192, 2048, GroupEdge::Clipped};
    EXPECT_EQ(pattern.segments(HeadHalf::Plain),
              (std::vector<Segment>{{0, 2048}, {2048, 4096}, {4096, 6144}, {6144, 8192}}));
    EXPECT_EQ(
        pattern.segments(HeadHalf::Shifted),
        (std::vector<Segment>{{0, 1024}, {1024, 3072}, {3072, 5120}, {5120, 7168}, {7168, 8192}}));
}

TEST(S2Pattern, PairsAreWhatIsVisible)
{
    forEachPattern([](const S2Pattern& pattern) {
        std::int64_t pairs = 0;
        for (const HeadHalf half : kHalves) {
            for (const Segment& segment : pattern.segments(half)) {
                const std::int64_t n = segment.end - segment.begin;
                pairs += n * (n + 1) / 2;
            }
        }
        ASSERT_EQ(pattern.pairsPerHead(), static_cast<double>(pairs) / 2.0) << name(pattern);
    });
}

TEST(S2Pattern, GroupAsLongAsTheSequenceIsFullAttentionInPlainHeads)
{
    const S2Pattern pattern{50, 60, GroupEdge::Clipped};
    EXPECT_EQ(pattern.segments(HeadHalf::Plain), (std::vector<Segment>{{0, 50}}));
    EXPECT_EQ(pattern.segments(HeadHalf::Shifted), (std::vector<Segment>{{0, 30}, {30, 50}}));
}

TEST(S2Pattern, OddHeadsGoToTheShiftedHalf)
{
    EXPECT_EQ(plainHeadCount(8), 4);
    EXPECT_EQ(plainHeadCount(9), 4);
    EXPECT_EQ(plainHeadCount(1), 0);
}

} // namespace
} // namespace longlora
