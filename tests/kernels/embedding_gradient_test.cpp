// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/embedding_gradient.h"
#include "tests/kernels/test_tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace longlora::kernels {

namespace {

constexpr std::int64_t kRows = 11;

/// dY is added to a sum that is not zero.
struct Problem {
    Problem(const KernelCase& testCase, std::int64_t tokens, std::int64_t columns,
            std::int64_t gap = 0)
        : stream{testCase.device, nullptr, 0}
        , dY(testCase, {tokens, columns}, gap)
        , sum(sumCase(testCase), {kRows, columns}, gap)
        , rows(rowsFor(tokens))
        , rowOf(testCase.device, rows)
        , order(testCase.device, sorted(rows))
    {
        std::mt19937 random(static_cast<unsigned>(tokens * 1000 + columns));
        dY.fillRandom(random);
        sum.fillRandom(random);
    }

    static KernelCase sumCase(const KernelCase& testCase)
    {
        const bool isWide = testCase.dtype == DType::Float64;
        return {testCase.device, isWide ? DType::Float64 : DType::Float32, 0.0};
    }
    /// Even rows alone have tokens, and row 4 has most of them.
    static std::vector<std::int64_t> rowsFor(std::int64_t tokens)
    {
        std::vector<std::int64_t> rows;
        for (std::int64_t t = 0; t < tokens; ++t) {
            rows.push_back(t % 3 == 0 ? t * 7 % 6 * 2 % kRows : 4);
        }
        return rows;
    }
    static std::vector<std::int64_t> sorted(const std::vector<std::int64_t>& rows)
    {
        std::vector<std::int64_t> order(rows.size());
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
            return rows[static_cast<std::size_t>(a)] < rows[static_cast<std::size_t>(b)];
        });
        return order;
    }

    void add()
    {
        embeddingGradient({dY.view(), rowOf.data(), order.data(), sum.view(), stream});
        synchronise(stream.device);
    }

    /// What add() makes of `sum`.
    std::vector<double> naive() const
    {
        std::vector<double> result = sum.values();
        const std::vector<double> added = dY.values();
        const auto columns = static_cast<std::size_t>(dY.view().sizes[1]);
        for (std::size_t i = 0; i < added.size(); ++i) {
            result[static_cast<std::size_t>(rows[i / columns]) * columns + i % columns] += added[i];
        }
        return result;
    }

    Stream stream;
    TestTensor dY, sum;
    std::vector<std::int64_t> rows;
    TestArray<std::int64_t> rowOf, order;
};

class EmbeddingGradientTest : public testing::TestWithParam<KernelCase> {
protected:
    void SetUp() override { LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device); }

    /// Of what is summed in fp32 (fp64).
    double tolerance() const { return GetParam().dtype == DType::Float64 ? 1e-14 : 2e-6; }
};

} // namespace

TEST_P(EmbeddingGradientTest, EqualsTheNaiveSumAtOddSizesAndStrides)
{
    for (const std::int64_t columns : {1, 3, 32, 33, 300}) {
        for (const std::int64_t tokens : {1, 2, 5, 130}) {
            for (const std::int64_t gap : {0, 5}) {
                Problem p(GetParam(), tokens, columns, gap);
                const std::vector<double> expected = p.naive();
                p.add();
                EXPECT_LT(relativeError(p.sum.values(), expected), tolerance())
                    << tokens << " x " << columns;
                EXPECT_TRUE(p.sum.gapsAreUntouched());
            }
        }
    }
}

TEST_P(EmbeddingGradientTest, LeavesOtherRowsAlone)
{
    Problem p(GetParam(), 50, 40);
    const std::vector<double> before = p.sum.values();
    p.add();
    const std::vector<double> after = p.sum.values();
    for (std::size_t i = 0; i < before.size(); ++i) {
        const bool hasTokens = std::find(p.rows.begin(), p.rows.end(),
                                         static_cast<std::int64_t>(i / 40)) != p.rows.end();
        EXPECT_EQ(after[i] == before[i], !hasTokens) << i / 40;
    }
}

TEST_P(EmbeddingGradientTest, NothingIsAddedForNoTokens)
{
    Problem p(GetParam(), 0, 40);
    const std::vector<double> before = p.sum.values();
    p.add();
    EXPECT_EQ(p.sum.values(), before);
}

/// The sum has one order: by token.
TEST_P(EmbeddingGradientTest, DoesNotDependOnTheNumberOfThreads)
{
    Problem one(GetParam(), 400, 700);
    Problem many(GetParam(), 400, 700);
    one.stream.threads = 1;
    many.stream.threads = 5;
    one.add();
    many.add();
    EXPECT_EQ(one.sum.values(), many.sum.values());
}

INSTANTIATE_TEST_SUITE_P(AllDTypes, EmbeddingGradientTest,
                         testing::ValuesIn(kernelCases(2e-6, 1.0, 1.0)), caseName);

} // namespace longlora::kernels
