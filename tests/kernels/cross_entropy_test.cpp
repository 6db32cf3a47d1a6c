// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cross_entropy.h"
#include "tests/kernels/test_tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace longlora::kernels {

namespace {

struct Expected {
    std::vector<double> losses;
    std::vector<double> gradient;
};

Expected naive(const std::vector<double>& logits, std::int64_t vocab,
               const std::vector<std::int64_t>& targets, double scale)
{
    Expected expected;
    for (std::size_t r = 0; r < targets.size(); ++r) {
        const double* z = logits.data() + static_cast<std::int64_t>(r) * vocab;
        const double maximum = *std::max_element(z, z + vocab);
        double sum = 0.0;
        for (std::int64_t v = 0; v < vocab; ++v) {
            sum += std::exp(z[v] - maximum);
        }
        const bool scored = targets[r] != kIgnoredTarget;
        expected.losses.push_back(scored ? maximum + std::log(sum) - z[targets[r]] : 0.0);
        for (std::int64_t v = 0; v < vocab; ++v) {
            const double probability = std::exp(z[v] - maximum) / sum;
            expected.gradient.push_back(scored ? scale * (probability - (v == targets[r])) : 0.0);
        }
    }
    return expected;
}

class CrossEntropyTest : public testing::TestWithParam<KernelCase> {
protected:
    void SetUp() override { LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device); }

    /// Runs on `logits` and returns the losses.
    std::vector<double> run(TestTensor& logits, const std::vector<std::int64_t>& targets,
                            double scale, bool gradient, int threads = 0)
    {
        const Device device = GetParam().device;
        const TestArray<std::int64_t> targetArray(device, targets);
        const TestArray<double> losses(
            device, std::vector<double>(targets.size(), std::numeric_limits<double>::quiet_NaN()));
        softmaxCrossEntropy({logits.view(),
                             targetArray.data(),
                             losses.data(),
                             scale,
                             gradient,
                             {device, nullptr, threads}});
        synchronise(device);
        return losses.values();
    }

    std::mt19937 m_random{20240917};
};

class CrossEntropyFloat64Test : public CrossEntropyTest {};

} // namespace

TEST_P(CrossEntropyTest, EqualsTheNaiveFormulaAtOddSizes)
{
    for (const std::int64_t vocab : {1, 2, 7, 31, 257, 2047, 2049, 5003}) {
        for (const std::int64_t gap : {0, 3}) {
            TestTensor logits(GetParam(), {5, vocab}, gap);
            const std::vector<double> values = logits.fillRandom(m_random, 4.0);
            const std::vector<std::int64_t> targets = {0, vocab - 1, kIgnoredTarget, vocab / 2,
                                                       vocab / 3};
            const Expected expected = naive(values, vocab, targets, 0.25);

            const std::vector<double> losses = run(logits, targets, 0.25, true);

            // Losses are sums in high precision; only the exponentials are rounded.
            const double lossTolerance = GetParam().dtype == DType::Float64 ? 1e-12 : 2e-6;
            EXPECT_LT(relativeError(losses, expected.losses), lossTolerance) << vocab;
            EXPECT_LT(relativeError(logits.values(), expected.gradient), GetParam().tolerance)
                << vocab;
            EXPECT_TRUE(logits.gapsAreUntouched());
        }
    }
}

TEST_P(CrossEntropyTest, WithoutGradientTheLogitsStay)
{
    TestTensor logits(GetParam(), {3, 65}, 1);
    const std::vector<double> before = logits.fillRandom(m_random);
    const std::vector<std::int64_t> targets = {64, kIgnoredTarget, 0};
    const std::vector<double> losses = run(logits, targets, 1.0, false);
    EXPECT_EQ(logits.values(), before);
    EXPECT_LT(relativeError(losses, naive(before, 65, targets, 1.0).losses), 2e-6);
}

TEST_P(CrossEntropyTest, LargeAndMaskedLogitsNeitherOverflowNorPoison)
{
    // The first block is wholly masked, and the values overflow exp() unless shifted.
    const std::int64_t vocab = 4100;
    TestTensor logits(GetParam(), {1, vocab});
    logits.fill(std::vector<double>(static_cast<std::size_t>(vocab),
                                    -std::numeric_limits<double>::infinity()));
    logits.set(4000, 1000.0);
    logits.set(4001, 1000.0);
    const std::vector<double> losses = run(logits, {4001}, 1.0, true);
    EXPECT_NEAR(losses[0], std::log(2.0), 1e-6);
    EXPECT_EQ(logits.get(0), 0.0);
    EXPECT_NEAR(logits.get(4000), 0.5, 1e-6);
    EXPECT_NEAR(logits.get(4001), -0.5, 1e-6);
}

TEST_P(CrossEntropyTest, NaNAndImpossibleTargetsGiveNaN)
{
    TestTensor logits(GetParam(), {4, 300});
    logits.fillRandom(m_random);
    logits.set(17, std::nan(""));
    const std::vector<double> losses = run(logits, {3, 300, -1, 5}, 1.0, true);
    for (const std::int64_t row : {0, 1, 2}) {
        EXPECT_TRUE(std::isnan(losses[static_cast<std::size_t>(row)])) << row;
        EXPECT_TRUE(std::isnan(logits.get(row * 300 + 40))) << row;
    }
    EXPECT_TRUE(std::isfinite(losses[3]));
}

TEST_P(CrossEntropyTest, AnyNumberOfThreadsGivesTheSameBits)
{
    TestTensor one(GetParam(), {37, 2500});
    TestTensor three(GetParam(), {37, 2500});
    three.fill(one.fillRandom(m_random));
    std::vector<std::int64_t> targets(37, 11);
    EXPECT_EQ(run(one, targets, 0.5, true, 1), run(three, targets, 0.5, true, 3));
    EXPECT_EQ(one.values(), three.values());
}

TEST_P(CrossEntropyFloat64Test, GradientEqualsFiniteDifferences)
{
    const std::vector<std::int64_t> targets = {4, kIgnoredTarget, 0};
    TestTensor logits(GetParam(), {3, 9});
    const std::vector<double> values = logits.fillRandom(m_random);
    run(logits, targets, 1.0, true);
    const std::vector<double> gradient = logits.values();

    const auto totalLoss = [&](std::size_t index, double step) {
        logits.fill(values);
        logits.set(static_cast<std::int64_t>(index), values[index] + step);
        const std::vector<double> losses = run(logits, targets, 1.0, false);
        return losses[0] + losses[1] + losses[2];
    };
    constexpr double kStep = 1e-5;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double difference = (totalLoss(i, kStep) - totalLoss(i, -kStep)) / (2.0 * kStep);
        EXPECT_NEAR(gradient[i], difference, 1e-9) << i;
    }
}

// fp32: a few roundings of probabilities below 1. 16 bits: half a unit of the result.
INSTANTIATE_TEST_SUITE_P(Kernels, CrossEntropyTest,
                         testing::ValuesIn(kernelCases(1e-6, 4e-3, 5e-4)), caseName);
INSTANTIATE_TEST_SUITE_P(Kernels, CrossEntropyFloat64Test, testing::ValuesIn(float64Cases()),
                         caseName);

} // namespace longlora::kernels
