// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/row_product.h"
#include "tests/kernels/test_tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace longlora::kernels {

namespace {

struct Problem {
    Problem(const KernelCase& testCase, std::int64_t rows, std::int64_t columns,
            std::int64_t gap = 0)
        : weight(testCase, {rows, columns}, gap)
        , x(testCase, {columns})
        , y(testCase, {rows})
    {
        std::mt19937 random(static_cast<unsigned>(rows * 1000 + columns));
        weight.fillRandom(random);
        x.fillRandom(random);
    }

    std::vector<double> multiplied(int threads = 0)
    {
        rowProduct({weight.view(), x.view(), y.view(), threads});
        return y.values();
    }

    std::vector<double> naive() const
    {
        const std::vector<double> w = weight.values(), v = x.values();
        std::vector<double> result(w.size() / v.size(), 0.0);
        for (std::size_t i = 0; i < w.size(); ++i) {
            result[i / v.size()] += w[i] * v[i % v.size()];
        }
        return result;
    }

    TestTensor weight, x, y;
};

std::vector<KernelCase> cpuCases()
{
    std::vector<KernelCase> cases;
    for (const KernelCase& testCase : kernelCases(2e-6, 1.0, 1.0)) {
        if (testCase.device == Device::Cpu) {
            cases.push_back(testCase);
        }
    }
    return cases;
}

class RowProductTest : public testing::TestWithParam<KernelCase> {};

} // namespace

TEST_P(RowProductTest, EqualsTheNaiveSumAtOddSizesAndStrides)
{
    for (const std::int64_t columns : {1, 3, 16, 63, 576, 1001}) {
        for (const std::int64_t rows : {1, 3, 4, 5, 130}) {
            for (const std::int64_t gap : {0, 5}) {
                Problem p(GetParam(), rows, columns, gap);
                const std::vector<double> expected = p.naive();
                EXPECT_LT(relativeError(p.multiplied(), expected), GetParam().tolerance)
                    << rows << " x " << columns;
            }
        }
    }
}

TEST_P(RowProductTest, DoesNotDependOnTheNumberOfThreads)
{
    Problem p(GetParam(), 403, 900);
    const std::vector<double> one = p.multiplied(1);
    EXPECT_EQ(p.multiplied(3), one);
    EXPECT_EQ(p.multiplied(7), one);
}

TEST_P(RowProductTest, NaNComesOutOfItsRowAlone)
{
    Problem p(GetParam(), 9, 40);
    p.weight.set(3 * 40 + 7, std::numeric_limits<double>::quiet_NaN());
    const std::vector<double> y = p.multiplied();
    for (std::size_t row = 0; row < y.size(); ++row) {
        EXPECT_EQ(std::isnan(y[row]), row == 3) << row;
    }
}

INSTANTIATE_TEST_SUITE_P(AllDTypes, RowProductTest, testing::ValuesIn(cpuCases()), caseName);

} // namespace longlora::kernels
