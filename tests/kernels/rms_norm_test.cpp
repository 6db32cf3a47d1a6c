// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/rms_norm.h"
#include "tests/kernels/test_tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace longlora::kernels {

namespace {

constexpr double kEpsilon = 1e-3; // large enough to matter in the result

/// The formulas of the header in float64. Sizes: x, dY [rows, columns], w [columns].
struct Naive {
    Naive(const std::vector<double>& x, const std::vector<double>& w, const std::vector<double>& dY)
        : y(x.size())
        , dX(x.size())
        , dW(w.size())
    {
        const std::size_t columns = w.size();
        const auto count = static_cast<double>(columns);
        for (std::size_t begin = 0; begin < x.size(); begin += columns) {
            double squares = 0.0;
            double mean = 0.0;
            for (std::size_t c = 0; c < columns; ++c) {
                squares += x[begin + c] * x[begin + c] / count;
                mean += dY[begin + c] * w[c] * x[begin + c] / count;
            }
            const double rho = 1.0 / std::sqrt(squares + kEpsilon);
            inverseRms.push_back(rho);
            for (std::size_t c = 0; c < columns; ++c) {
                const std::size_t i = begin + c;
                y[i] = x[i] * rho * w[c];
                direct.push_back(rho * dY[i] * w[c]);
                dX[i] = direct[i] - x[i] * rho * rho * rho * mean;
                dW[c] += dY[i] * x[i] * rho;
            }
        }
    }

    std::vector<double> y, inverseRms, dX, dW;
    std::vector<double> direct; ///< the term of dX that the other cancels, nearly so in short rows
};

struct Problem {
    Problem(const KernelCase& testCase, std::int64_t rows, std::int64_t columns,
            std::int64_t gap = 0)
        : stream{testCase.device, nullptr, 0}
        , x(testCase, {rows, columns}, gap)
        , weight(testCase, {columns})
        , dY(testCase, {rows, columns}, gap)
        , y(testCase, {rows, columns}, gap)
        , dX(testCase, {rows, columns}, gap)
        , inverseRms(computeCase(testCase), {rows})
        , dWeight(computeCase(testCase), {columns})
    {
        std::mt19937 random(static_cast<unsigned>(rows * 1000 + columns));
        for (TestTensor* tensor : {&x, &weight, &dY}) {
            tensor->fillRandom(random);
        }
        dWeight.fill(std::vector<double>(static_cast<std::size_t>(columns), 0.0));
    }

    static KernelCase computeCase(const KernelCase& testCase)
    {
        const bool wide = testCase.dtype == DType::Float64;
        return {testCase.device, wide ? DType::Float64 : DType::Float32, 0.0};
    }

    void forward()
    {
        rmsNormForward({x.view(), weight.view(), y.view(), inverseRms.view(), kEpsilon, stream});
        synchronise(stream.device);
    }

    void backward(bool trained = true)
    {
        rmsNormBackward({x.view(), weight.view(), inverseRms.view(), dY.view(), dX.view(),
                         trained ? dWeight.view() : TensorView{}, stream});
        synchronise(stream.device);
    }

    Naive naive() const { return {x.values(), weight.values(), dY.values()}; }

    Stream stream;
    TestTensor x, weight, dY, y, dX, inverseRms, dWeight;
};

class RmsNormTest : public testing::TestWithParam<KernelCase> {
protected:
    void SetUp() override { LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device); }

    /// Tolerance of what is kept in fp32 (fp64): inverseRms and dWeight.
    double sumTolerance() const { return GetParam().dtype == DType::Float64 ? 1e-12 : 1e-6; }
};

class RmsNormFloat64Test : public RmsNormTest {};

} // namespace

TEST_P(RmsNormTest, EqualsTheNaiveFormulaAtOddSizesAndStrides)
{
    for (const std::int64_t columns : {1, 2, 3, 17, 64, 255, 1000, 4096}) {
        for (const std::int64_t rows : {1, 5, 67}) {
            for (const std::int64_t gap : {0, 5}) {
                Problem p(GetParam(), rows, columns, gap);
                p.forward();
                p.backward();
                const Naive naive = p.naive();
                EXPECT_LT(relativeError(p.y.values(), naive.y), GetParam().tolerance);
                EXPECT_LT(relativeError(p.inverseRms.values(), naive.inverseRms), sumTolerance());
                EXPECT_LT(relativeError(p.dX.values(), naive.dX, naive.direct),
                          GetParam().tolerance);
                EXPECT_LT(relativeError(p.dWeight.values(), naive.dW), sumTolerance())
                    << rows << " x " << columns;
                EXPECT_TRUE(p.y.gapsAreUntouched() && p.dX.gapsAreUntouched());
            }
        }
    }
}

TEST_P(RmsNormTest, WorksInPlace)
{
    Problem p(GetParam(), 9, 70);
    const Naive naive = p.naive();
    p.forward();
    rmsNormBackward({p.x.view(), p.weight.view(), p.inverseRms.view(), p.dY.view(), p.dY.view(),
                     p.dWeight.view(), p.stream});
    rmsNormForward({p.x.view(), p.weight.view(), p.x.view(), {}, kEpsilon, p.stream});
    synchronise(p.stream.device);
    EXPECT_LT(relativeError(p.x.values(), naive.y), GetParam().tolerance);
    EXPECT_LT(relativeError(p.dY.values(), naive.dX, naive.direct), GetParam().tolerance);
    EXPECT_LT(relativeError(p.dWeight.values(), naive.dW), sumTolerance());
}

TEST_P(RmsNormTest, WeightGradientsAddUpAndFrozenOnesAreLeftAlone)
{
    Problem p(GetParam(), 7, 33);
    p.forward();
    p.backward();
    const std::vector<double> once = p.dWeight.values();
    p.backward(false);
    EXPECT_EQ(p.dWeight.values(), once);
    p.backward();
    std::vector<double> twice = once;
    for (double& value : twice) {
        value *= 2.0;
    }
    EXPECT_EQ(p.dWeight.values(), twice);
}

TEST_P(RmsNormTest, AnyNumberOfThreadsGivesTheSameBits)
{
    Problem one(GetParam(), 533, 257);
    Problem three(GetParam(), 533, 257);
    one.stream.threads = 1;
    three.stream.threads = 3;
    for (Problem* p : {&one, &three}) {
        p->forward();
        p->backward();
    }
    EXPECT_EQ(one.y.values(), three.y.values());
    EXPECT_EQ(one.dX.values(), three.dX.values());
    EXPECT_EQ(one.dWeight.values(), three.dWeight.values());
}

TEST_P(RmsNormFloat64Test, GradientsEqualFiniteDifferences)
{
    Problem p(GetParam(), 3, 7);
    p.forward();
    p.backward();
    const std::vector<double> weights = p.dY.values(); // loss = sum dY y
    const auto slope = [&](TestTensor& input, std::int64_t index) {
        constexpr double kStep = 1e-6;
        const double kept = input.get(index);
        double difference = 0.0;
        for (const double sign : {1.0, -1.0}) {
            input.set(index, kept + sign * kStep);
            p.forward();
            const std::vector<double> y = p.y.values();
            difference += sign * std::inner_product(y.begin(), y.end(), weights.begin(), 0.0);
        }
        input.set(index, kept);
        return difference / (2.0 * kStep);
    };
    for (std::int64_t i = 0; i < p.x.count(); ++i) {
        EXPECT_NEAR(p.dX.get(i), slope(p.x, i), 1e-8) << i;
    }
    for (std::int64_t c = 0; c < p.weight.count(); ++c) {
        EXPECT_NEAR(p.dWeight.get(c), slope(p.weight, c), 1e-8) << c;
    }
}

// fp32: sums of up to 4096 terms in a tree; 16 bits: half a unit of the result.
INSTANTIATE_TEST_SUITE_P(Kernels, RmsNormTest, testing::ValuesIn(kernelCases(1e-6, 4e-3, 5e-4)),
                         caseName);
INSTANTIATE_TEST_SUITE_P(Kernels, RmsNormFloat64Test, testing::ValuesIn(float64Cases()), caseName);

} // namespace longlora::kernels
