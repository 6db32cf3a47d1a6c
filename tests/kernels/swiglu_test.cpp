// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/swiglu.h"
#include "tests/kernels/test_tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace longlora::kernels {

namespace {

/// The formulas of the header in float64.
struct Naive {
    Naive(const std::vector<double>& gate, const std::vector<double>& up,
          const std::vector<double>& dY)
    {
        for (std::size_t i = 0; i < gate.size(); ++i) {
            const double sigma = 1.0 / (1.0 + std::exp(-gate[i]));
            y.push_back(gate[i] * sigma * up[i]);
            dGate.push_back(dY[i] * up[i] * sigma * (1.0 + gate[i] * (1.0 - sigma)));
            dUp.push_back(dY[i] * gate[i] * sigma);
        }
    }

    std::vector<double> y, dGate, dUp;
};

struct Problem {
    Problem(const KernelCase& testCase, std::int64_t rows, std::int64_t columns,
            std::int64_t gap = 0)
        : stream{testCase.device, nullptr, 0}
        , gate(testCase, {rows, columns}, gap)
        , up(testCase, {rows, columns}, gap)
        , dY(testCase, {rows, columns}, gap)
        , y(testCase, {rows, columns}, gap)
        , dGate(testCase, {rows, columns}, gap)
        , dUp(testCase, {rows, columns}, gap)
    {
        std::mt19937 random(static_cast<unsigned>(rows * 1000 + columns));
        gate.fillRandom(random, 3.0);
        up.fillRandom(random);
        dY.fillRandom(random);
    }

    void forward()
    {
        swigluForward({gate.view(), up.view(), y.view(), stream});
        synchronise(stream.device);
    }

    void backward()
    {
        swigluBackward({gate.view(), up.view(), dY.view(), dGate.view(), dUp.view(), stream});
        synchronise(stream.device);
    }

    Naive naive() const { return {gate.values(), up.values(), dY.values()}; }

    Stream stream;
    TestTensor gate, up, dY, y, dGate, dUp;
};

class SwigluTest : public testing::TestWithParam<KernelCase> {
protected:
    void SetUp() override { LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device); }
};

class SwigluFloat64Test : public SwigluTest {};

} // namespace

TEST_P(SwigluTest, EqualsTheNaiveFormulaAtOddSizesAndStrides)
{
    for (const std::int64_t columns : {1, 2, 15, 64, 333, 1025}) {
        for (const std::int64_t rows : {1, 3, 40}) {
            for (const std::int64_t gap : {0, 11}) {
                Problem p(GetParam(), rows, columns, gap);
                p.forward();
                p.backward();
                const Naive naive = p.naive();
                EXPECT_LT(relativeError(p.y.values(), naive.y), GetParam().tolerance);
                EXPECT_LT(relativeError(p.dGate.values(), naive.dGate), GetParam().tolerance);
                EXPECT_LT(relativeError(p.dUp.values(), naive.dUp), GetParam().tolerance);
                for (const TestTensor* t : {&p.y, &p.dGate, &p.dUp}) {
                    EXPECT_TRUE(t->gapsAreUntouched());
                }
            }
        }
    }
}

TEST_P(SwigluTest, OutputsMayBeInputs)
{
    Problem p(GetParam(), 9, 77);
    const Naive naive = p.naive();
    swigluBackward({p.gate.view(), p.up.view(), p.dY.view(), p.dY.view(), p.dUp.view(), p.stream});
    synchronise(p.stream.device);
    EXPECT_LT(relativeError(p.dY.values(), naive.dGate), GetParam().tolerance);

    Problem q(GetParam(), 9, 77);
    swigluBackward({q.gate.view(), q.up.view(), q.dY.view(), q.gate.view(), q.up.view(), q.stream});
    synchronise(q.stream.device);
    EXPECT_LT(relativeError(q.gate.values(), naive.dGate), GetParam().tolerance);
    EXPECT_LT(relativeError(q.up.values(), naive.dUp), GetParam().tolerance);

    for (const bool intoGate : {true, false}) {
        Problem r(GetParam(), 9, 77);
        TestTensor& target = intoGate ? r.gate : r.up;
        swigluForward({r.gate.view(), r.up.view(), target.view(), r.stream});
        synchronise(r.stream.device);
        EXPECT_LT(relativeError(target.values(), naive.y), GetParam().tolerance);
    }
}

TEST_P(SwigluTest, LargeGatesNeitherOverflowNorGiveNaN)
{
    Problem p(GetParam(), 1, 4);
    p.gate.fill({-1000.0, -90.0, 90.0, 1000.0});
    p.up.fill({1.0, 1.0, 1.0, 1.0});
    p.dY.fill({1.0, 1.0, 1.0, 1.0});
    p.forward();
    p.backward();
    const std::vector<double> tails = {0.0, 0.0, 90.0, 1000.0};
    const std::vector<double> steps = {0.0, 0.0, 1.0, 1.0};
    EXPECT_LT(relativeError(p.y.values(), tails), 1e-15);
    EXPECT_LT(relativeError(p.dUp.values(), tails), 1e-15);
    EXPECT_LT(relativeError(p.dGate.values(), steps), 1e-15);
}

TEST_P(SwigluTest, AnyNumberOfThreadsGivesTheSameBits)
{
    Problem one(GetParam(), 130, 257);
    Problem three(GetParam(), 130, 257);
    one.stream.threads = 1;
    three.stream.threads = 3;
    for (Problem* p : {&one, &three}) {
        p->forward();
        p->backward();
    }
    EXPECT_EQ(one.y.values(), three.y.values());
    EXPECT_EQ(one.dGate.values(), three.dGate.values());
    EXPECT_EQ(one.dUp.values(), three.dUp.values());
}

TEST_P(SwigluFloat64Test, GradientsEqualFiniteDifferences)
{
    Problem p(GetParam(), 2, 9);
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
    for (std::int64_t i = 0; i < p.gate.count(); ++i) {
        EXPECT_NEAR(p.dGate.get(i), slope(p.gate, i), 1e-8) << i;
        EXPECT_NEAR(p.dUp.get(i), slope(p.up, i), 1e-8) << i;
    }
}

// fp32: an exponential to 2 units in the last place and a few products; 16 bits: half a unit.
INSTANTIATE_TEST_SUITE_P(Kernels, SwigluTest, testing::ValuesIn(kernelCases(5e-7, 4e-3, 5e-4)),
                         caseName);
INSTANTIATE_TEST_SUITE_P(Kernels, SwigluFloat64Test, testing::ValuesIn(float64Cases()), caseName);

} // namespace longlora::kernels
