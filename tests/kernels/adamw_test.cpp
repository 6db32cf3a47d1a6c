// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/adamw.h"
#include "kernels/dispatch.h"
#include "tests/kernels/test_tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace longlora::kernels {

namespace {

struct Exact {
    std::vector<double> weights, first, second;
};

/// adamw.h, written out in float64.
Exact naive(const AdamWRates& rates, Exact state, const std::vector<float>& gradients)
{
    const auto t = static_cast<double>(rates.step);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
        const double g = gradients[i];
        double& m = state.first[i];
        double& v = state.second[i];
        m = rates.beta1 * m + (1.0 - rates.beta1) * g;
        v = rates.beta2 * v + (1.0 - rates.beta2) * g * g;
        const double ratio = m / (1.0 - std::pow(rates.beta1, t)) /
                             (std::sqrt(v / (1.0 - std::pow(rates.beta2, t))) + rates.epsilon);
        state.weights[i] -= rates.learningRate * (ratio + rates.weightDecay * state.weights[i]);
    }
    return state;
}

std::vector<float> randomNumbers(std::int64_t count, unsigned seed, float deviation = 1.0F)
{
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0F, deviation);
    std::vector<float> numbers(static_cast<std::size_t>(count));
    std::generate(numbers.begin(), numbers.end(), [&] { return normal(random); });
    return numbers;
}

std::vector<double> wide(const std::vector<float>& numbers)
{
    return {numbers.begin(), numbers.end()};
}

/// Weights with moments in 16 or 8 bits, which start at zero.
class Optimized {
public:
    Optimized(Device device, bool eightBit, std::vector<float> weights)
        : m_device(device)
        , m_eightBit(eightBit)
        , m_count(static_cast<std::int64_t>(weights.size()))
        , m_weights(device, std::move(weights))
        , m_first(device, std::vector<BFloat16>(static_cast<std::size_t>(m_count)))
        , m_second(device, std::vector<BFloat16>(static_cast<std::size_t>(m_count)))
        , m_blocks(device,
                   std::vector<EightBitMoments>(static_cast<std::size_t>(eightBitBlocks(m_count))))
    {}

    void step(const AdamWRates& rates, const std::vector<float>& gradients, int threads = 1)
    {
        const TestArray<float> g(m_device, gradients);
        const Stream stream{m_device, nullptr, threads};
        if (m_eightBit) {
            adamW(
                AdamWEightBit{m_weights.data(), g.data(), m_blocks.data(), m_count, rates, stream});
        } else {
            adamW(AdamWBFloat16{m_weights.data(), g.data(), m_first.data(), m_second.data(),
                                m_count, rates, stream});
        }
        synchronise(m_device);
    }

    /// As the next step will read them.
    Exact state() const
    {
        Exact state{wide(m_weights.values()), {}, {}};
        for (std::int64_t i = 0; i < m_count; ++i) {
            state.first.push_back(m_eightBit ? eightBitFirst(i) : sixteenBit(m_first, i));
            const double root = eightBitRoot(i);
            state.second.push_back(m_eightBit ? root * root : sixteenBit(m_second, i));
        }
        return state;
    }

private:
    static double sixteenBit(const TestArray<BFloat16>& moments, std::int64_t i)
    {
        return static_cast<double>(toCompute(moments.data()[i]));
    }
    const EightBitMoments& block(std::int64_t i) const { return m_blocks.data()[i / kAdamWBlock]; }
    /// Code by its parts: (1 + mantissa) 2^(exponent - 15), without the 1 where the exponent is 0.
    static double shortFloat(int code, int mantissaBits)
    {
        const int exponent = code >> mantissaBits, units = 1 << mantissaBits;
        const double mantissa = static_cast<double>(code % units) / units;
        return exponent == 0 ? std::ldexp(mantissa, -14) : std::ldexp(1 + mantissa, exponent - 15);
    }
    double eightBitFirst(std::int64_t i) const
    {
        const int code = block(i).first[i % kAdamWBlock];
        const double size = shortFloat(code & 127, 3) * block(i).firstScale;
        return code >= 128 ? -size : size;
    }
    double eightBitRoot(std::int64_t i) const
    {
        return shortFloat(block(i).second[i % kAdamWBlock], 4) * block(i).secondScale;
    }

    Device m_device;
    bool m_eightBit;
    std::int64_t m_count;
    TestArray<float> m_weights;
    TestArray<BFloat16> m_first, m_second;
    TestArray<EightBitMoments> m_blocks;
};

struct Case {
    Device device;
    bool eightBit;
};

class AdamWMoments : public testing::TestWithParam<Case> {
protected:
    Optimized optimized(std::vector<float> weights) const
    {
        return {GetParam().device, GetParam().eightBit, std::move(weights)};
    }
};

const AdamWRates kRates{1e-2, 0.9, 0.999, 1e-8, 0.1, 1, 7};

TEST_P(AdamWMoments, StepsAreThoseOfFloat64FromTheMomentsThatAreKept)
{
    LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device);
    for (const std::int64_t count : {1, 127, 128, 1000}) {
        Optimized ours = optimized(randomNumbers(count, 3));
        AdamWRates rates = kRates;
        for (rates.step = 1; rates.step <= 5; ++rates.step) {
            const std::vector<float> g =
                randomNumbers(count, static_cast<unsigned>(rates.step) + 10);
            const Exact expected = naive(rates, ours.state(), g);
            ours.step(rates, g);
            const Exact now = ours.state();
            for (std::size_t i = 0; i < g.size(); ++i) {
                EXPECT_NEAR(now.weights[i], expected.weights[i], 2e-6) << i;
            }
        }
    }
}

/// How far apart what can be kept of a moment is, around `exact`.
double stepAt(const Case& one, double exact, double largest, bool isRoot)
{
    if (!one.eightBit) {
        return std::abs(exact) / 128.0;
    }
    const double scale = largest / (isRoot ? 1.9375 : 1.875);
    return std::max(std::abs(exact) / (isRoot ? 16.0 : 8.0), std::ldexp(scale, isRoot ? -18 : -17));
}

TEST_P(AdamWMoments, AreKeptWithinAStepOfTheirFormat)
{
    LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device);
    const std::int64_t count = kAdamWBlock;
    std::vector<float> g = randomNumbers(count, 5);
    for (std::size_t i = 0; i < g.size(); ++i) {
        g[i] *= std::ldexp(1.0F, -static_cast<int>(i % 24)); // down into the even steps
    }
    Optimized ours = optimized(std::vector<float>(g.size()));
    const Exact expected = naive(kRates, ours.state(), g);
    ours.step(kRates, g);
    const Exact now = ours.state();
    double largest = 0.0, largestRoot = 0.0;
    for (std::size_t i = 0; i < g.size(); ++i) {
        largest = std::max(largest, std::abs(expected.first[i]));
        largestRoot = std::max(largestRoot, std::sqrt(expected.second[i]));
    }
    for (std::size_t i = 0; i < g.size(); ++i) {
        EXPECT_NEAR(now.first[i], expected.first[i],
                    stepAt(GetParam(), expected.first[i], largest, false) * 1.00001)
            << i;
        const double root = std::sqrt(expected.second[i]);
        EXPECT_NEAR(std::sqrt(now.second[i]), root,
                    stepAt(GetParam(), root, largestRoot, true) * 1.00001)
            << i;
        EXPECT_GT(now.second[i], 0.0) << i;
    }
}

TEST_P(AdamWMoments, AreRightOnAverage)
{
    LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device);
    constexpr int kTimes = 4000;
    const std::vector<float> g = {1.0F, 0.37F, -0.0123F, 3e-4F, -2e-5F};
    const std::vector<float> zeros(g.size());
    Exact mean{{}, std::vector<double>(g.size()), std::vector<double>(g.size())};
    AdamWRates rates = kRates;
    for (int time = 0; time < kTimes; ++time) {
        rates.seed = static_cast<std::uint64_t>(time);
        Optimized ours = optimized(zeros);
        ours.step(rates, g);
        const Exact now = ours.state();
        for (std::size_t i = 0; i < g.size(); ++i) {
            mean.first[i] += now.first[i] / kTimes;
            mean.second[i] += std::sqrt(now.second[i]) / kTimes;
        }
    }
    const Exact exact = naive(rates, optimized(zeros).state(), g);
    const double largestRoot = std::sqrt(exact.second[0]);
    for (std::size_t i = 0; i < g.size(); ++i) {
        // A mean of random roundings strays by at most half a step / sqrt(times), 5 times that
        // here.
        const double room = 2.5 / std::sqrt(kTimes);
        EXPECT_NEAR(mean.first[i], exact.first[i],
                    room * stepAt(GetParam(), exact.first[i], exact.first[0], false))
            << i;
        const double root = std::sqrt(exact.second[i]);
        EXPECT_NEAR(mean.second[i], root, room * stepAt(GetParam(), root, largestRoot, true)) << i;
    }
}

TEST_P(AdamWMoments, FadeAlthoughAStepOfTheirsIsSmallerThanTheFormats)
{
    LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device);
    const std::int64_t count = 4096;
    Optimized ours = optimized(std::vector<float>(count));
    ours.step(kRates, std::vector<float>(count, 1.0F));
    AdamWRates rates = kRates;
    const std::vector<float> nothing(count);
    for (rates.step = 2; rates.step <= 500; ++rates.step) {
        ours.step(rates, nothing);
    }
    const Exact now = ours.state();
    double mean = 0.0;
    for (const double v : now.second) {
        mean += std::sqrt(v) / static_cast<double>(count);
    }
    const double exact = std::sqrt(1e-3 * std::pow(0.999, 499));
    EXPECT_NEAR(mean, exact, 0.03 * exact);
}

TEST_P(AdamWMoments, DoNotDependOnTheNumberOfThreads)
{
    LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device);
    const std::int64_t count = 100000;
    Optimized one = optimized(randomNumbers(count, 3)), three = optimized(randomNumbers(count, 3));
    AdamWRates rates = kRates;
    for (rates.step = 1; rates.step <= 2; ++rates.step) {
        one.step(rates, randomNumbers(count, 9), 1);
        three.step(rates, randomNumbers(count, 9), 3);
    }
    EXPECT_EQ(one.state().weights, three.state().weights);
    EXPECT_EQ(one.state().first, three.state().first);
    EXPECT_EQ(one.state().second, three.state().second);
}

TEST_P(AdamWMoments, OfNaNAndInfinityAreNaNAndSoAreTheirWeights)
{
    LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device);
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        std::vector<float> g = randomNumbers(200, 3);
        g[5] = bad;
        Optimized ours = optimized(randomNumbers(200, 4));
        ours.step(kRates, g);
        const Exact now = ours.state();
        EXPECT_TRUE(std::isnan(now.weights[5]));
        EXPECT_FALSE(std::isfinite(now.first[5]));
        EXPECT_FALSE(std::isfinite(now.second[5]));
        EXPECT_TRUE(std::isfinite(now.weights[4]) && std::isfinite(now.second[199]));
    }
}

TEST_P(AdamWMoments, OfNothingLeaveNothingBehind)
{
    LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device);
    Optimized ours = optimized({1.0F, 2.0F});
    AdamWRates rates = kRates;
    rates.weightDecay = 0.0;
    ours.step(rates, {0.0F, 1e-40F});
    const Exact now = ours.state();
    EXPECT_EQ(now.first[0], 0.0);
    EXPECT_EQ(now.second[0], 0.0);
    EXPECT_EQ(now.weights[0], 1.0);
    EXPECT_NEAR(now.weights[1], 2.0, 1e-6);
}

std::string nameOf(const testing::TestParamInfo<Case>& info)
{
    return std::string(info.param.device == Device::Cpu ? "Cpu" : "Cuda") +
           (info.param.eightBit ? "EightBit" : "BFloat16");
}

std::vector<Case> cases()
{
    std::vector<Case> cases;
    for (const Device device : {Device::Cpu, Device::Cuda}) {
        if (device == Device::Cpu || kCudaCompiled) {
            cases.push_back({device, false});
            cases.push_back({device, true});
        }
    }
    return cases;
}

INSTANTIATE_TEST_SUITE_P(Formats, AdamWMoments, testing::ValuesIn(cases()), nameOf);

} // namespace

} // namespace longlora::kernels
