// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/attention_tile.h"
#include "kernels/number_types.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace longlora::kernels {

namespace {

constexpr std::int64_t kKeys = 6;
constexpr std::int64_t kQueries = 37; // not a multiple of any vector

std::vector<float> random(std::size_t count, float spread, unsigned seed)
{
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal(0.0F, spread);
    std::vector<float> made(count);
    for (float& x : made) {
        x = normal(engine);
    }
    return made;
}

template <typename T>
std::vector<T> rounded(const std::vector<float>& x)
{
    std::vector<T> made(x.size());
    std::transform(x.begin(), x.end(), made.begin(), [](float v) { return fromCompute<T>(v); });
    return made;
}

template <typename T>
double relativeTolerance()
{
    return std::is_same_v<T, float> ? 4e-7 : 1.0 / 256.0;
}

/// Element [row, column] of a paired matrix.
float pairedAt(const std::vector<float>& x, std::int64_t columns, std::int64_t r, std::int64_t c)
{
    return x[r * columns + c];
}
float pairedAt(const std::vector<BFloat16>& x, std::int64_t columns, std::int64_t r, std::int64_t c)
{
    return toCompute(x[(r / 2 * columns + c) * 2 + r % 2]);
}

template <typename T>
class AttentionTile : public testing::Test {};

using Types = testing::Types<float, BFloat16>;
TYPED_TEST_SUITE(AttentionTile, Types);

TYPED_TEST(AttentionTile, PairsRowsAndTheirTransposeAndFillsUpWithZero)
{
    constexpr std::int64_t kRows = 19, kColumns = 34, kStride = 40, kPadded = 32;
    const auto x = rounded<TypeParam>(random(kRows * kStride, 1.0F, 1));
    const Rows<TypeParam> rows{x.data(), kStride, kRows};
    std::vector<TypeParam> paired(kPadded * kColumns), pairedT(kPadded * kColumns),
        transposed(kPadded * kColumns);
    pairRows(rows, kColumns, kPadded, paired.data());
    pairTransposed(rows, kColumns, kPadded, pairedT.data());
    transposeRows(rows, kColumns, kPadded, transposed.data());
    for (std::int64_t r = 0; r < kPadded; ++r) {
        for (std::int64_t c = 0; c < kColumns; ++c) {
            const float expected = r < kRows ? toCompute(x[r * kStride + c]) : 0.0F;
            ASSERT_EQ(pairedAt(paired, kColumns, r, c), expected) << r << ", " << c;
            ASSERT_EQ(pairedAt(pairedT, kPadded, c, r), expected) << r << ", " << c;
            ASSERT_EQ(toCompute(transposed[c * kPadded + r]), expected) << r << ", " << c;
        }
    }
}

TYPED_TEST(AttentionTile, UntransposesWithAFactorForEachRow)
{
    constexpr std::int64_t kRows = 21, kWidth = 32, kColumns = 18, kStride = 24;
    const auto x = random(kColumns * kWidth, 1.0F, 2);
    const auto factor = random(kRows, 1.0F, 3);
    std::vector<TypeParam> out(kRows * kStride, fromCompute<TypeParam>(9.0F));
    UntransposedRows<TypeParam> args;
    args.x = x.data();
    args.width = kWidth;
    args.rows = kRows;
    args.columns = kColumns;
    args.factor = factor.data();
    args.out = out.data();
    args.outStride = kStride;
    untransposeRows(args);
    for (std::int64_t r = 0; r < kRows; ++r) {
        for (std::int64_t c = 0; c < kColumns; ++c) {
            ASSERT_EQ(toCompute(out[r * kStride + c]),
                      toCompute(fromCompute<TypeParam>(factor[r] * x[c * kWidth + r])));
        }
        ASSERT_EQ(toCompute(out[r * kStride + kColumns]), 9.0F) << "beyond the row";
    }
}

TEST(AttentionTileMask, HidesWhatIsNotVisible)
{
    std::vector<float> scores(kKeys * kQueries, 1.0F);
    // Row r is seen by columns [r - 2, r - 2 + 4); the last row is no key.
    hideScores(scores.data(), kKeys, kQueries, {-2, 4, kKeys - 1});
    for (std::int64_t r = 0; r < kKeys; ++r) {
        for (std::int64_t c = 0; c < kQueries; ++c) {
            const bool visible = r < kKeys - 1 && c >= r - 2 && c < r + 2;
            EXPECT_EQ(scores[r * kQueries + c] == 1.0F, visible) << r << ", " << c;
        }
    }
}

/// Softmax over the rows of two tiles, in float64.
TYPED_TEST(AttentionTile, SoftmaxOverTilesIsTheSoftmaxOverAll)
{
    constexpr float kScale = 0.7F;
    auto scores = random(2 * kKeys * kQueries, 8.0F, 4);
    scores[3 * kQueries + 5] = -std::numeric_limits<float>::infinity();
    std::vector<float> maximum(kQueries, -std::numeric_limits<float>::max() / 2), sum(kQueries),
        shrink(kQueries), scratch(kQueries);
    std::vector<TypeParam> share(kKeys * kQueries);
    std::vector<double> weight(2 * kKeys * kQueries); // not divided by the sum yet
    for (std::int64_t tile = 0; tile < 2; ++tile) {
        SoftmaxTile<TypeParam> args;
        args.scores = scores.data() + tile * kKeys * kQueries;
        args.keys = kKeys;
        args.queries = kQueries;
        args.scale = kScale;
        args.maximum = maximum.data();
        args.sum = sum.data();
        args.shrink = shrink.data();
        args.tileMaximum = scratch.data();
        args.share = share.data();
        const bool raised = softmaxTile(args);
        EXPECT_TRUE(raised || tile > 0);
        for (std::int64_t r = 0; r < 2 * kKeys; ++r) {
            for (std::int64_t c = 0; c < kQueries; ++c) {
                double& w = weight[r * kQueries + c];
                w = r / kKeys == tile ? pairedAt(share, kQueries, r % kKeys, c) : w * shrink[c];
            }
        }
    }
    for (std::int64_t c = 0; c < kQueries; ++c) {
        double exact = 0.0;
        for (std::int64_t r = 0; r < 2 * kKeys; ++r) {
            exact += std::exp(kScale * static_cast<double>(scores[r * kQueries + c]));
        }
        EXPECT_NEAR(kScale * maximum[c] + std::log(sum[c]), std::log(exact), 1e-6 * 30.0);
        for (std::int64_t r = 0; r < 2 * kKeys; ++r) {
            const double expected =
                std::exp(kScale * static_cast<double>(scores[r * kQueries + c])) / exact;
            EXPECT_NEAR(weight[r * kQueries + c] / sum[c], expected,
                        10.0 * relativeTolerance<TypeParam>() * expected + 1e-30)
                << r << ", " << c;
        }
    }
}

TYPED_TEST(AttentionTile, GradientIsTheFormula)
{
    constexpr float kScale = 0.3F;
    const auto scores = random(kKeys * kQueries, 3.0F, 5),
               dShare = random(kKeys * kQueries, 1.0F, 6);
    auto logSumExp = random(kQueries, 1.0F, 7);
    const auto delta = random(kQueries, 1.0F, 8);
    logSumExp[4] = std::numeric_limits<float>::infinity(); // a query that is not there
    std::vector<TypeParam> share(kKeys * kQueries), dScores(kKeys * kQueries),
        paired(kKeys * kQueries);
    SoftmaxTileGradient<TypeParam> args;
    args.scores = scores.data();
    args.dShare = dShare.data();
    args.keys = kKeys;
    args.queries = kQueries;
    args.scale = kScale;
    args.logSumExp = logSumExp.data();
    args.delta = delta.data();
    args.share = share.data();
    args.dScores = dScores.data();
    args.dScoresPaired = paired.data();
    softmaxTileBackward(args);
    for (std::int64_t r = 0; r < kKeys; ++r) {
        for (std::int64_t c = 0; c < kQueries; ++c) {
            const std::int64_t at = r * kQueries + c;
            const double p = std::exp(static_cast<double>(kScale) * scores[at] - logSumExp[c]);
            const double dS = kScale * p * (static_cast<double>(dShare[at]) - delta[c]);
            const double tolerance = 4.0 * relativeTolerance<TypeParam>();
            EXPECT_NEAR(toCompute(share[at]), p, tolerance * p);
            EXPECT_NEAR(toCompute(dScores[at]), dS, tolerance * (std::abs(dS) + 0.1 * p));
            if (!std::is_same_v<TypeParam, float>) {
                EXPECT_EQ(pairedAt(paired, kQueries, r, c), toCompute(dScores[at]));
            }
        }
    }
}

TYPED_TEST(AttentionTile, DotsAndSumsOfRows)
{
    constexpr std::int64_t kRows = 5, kColumns = 33, kStride = 35;
    const auto a = rounded<TypeParam>(random(kRows * kStride, 1.0F, 9));
    auto b = rounded<TypeParam>(random(kRows * kStride, 1.0F, 10));
    std::vector<float> dots(kRows);
    rowDots<TypeParam>({a.data(), kStride, kRows}, {b.data(), kStride, kRows}, kColumns,
                       dots.data());
    const auto sums = random(kRows * kColumns, 1.0F, 11);
    const auto before = b;
    addRows(sums.data(), kRows, kColumns, b.data(), kStride);
    for (std::int64_t r = 0; r < kRows; ++r) {
        double dot = 0.0;
        for (std::int64_t c = 0; c < kColumns; ++c) {
            dot += static_cast<double>(toCompute(a[r * kStride + c])) *
                   toCompute(before[r * kStride + c]);
            ASSERT_EQ(toCompute(b[r * kStride + c]),
                      toCompute(fromCompute<TypeParam>(toCompute(before[r * kStride + c]) +
                                                       sums[r * kColumns + c])));
        }
        EXPECT_NEAR(dots[r], dot, 1e-5);
    }
}

} // namespace

} // namespace longlora::kernels
