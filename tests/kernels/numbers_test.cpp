// SPDX-License-Identifier: GPL-3.0-or-later
// What all operators stand on: conversions, the exponential, the threads, the dispatch.
#include "kernels/dispatch.h"
#include "kernels/parallel_for.h"
#include "kernels/vector_math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

namespace longlora::kernels {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The value by the definition of the format.
double decode(std::uint32_t bits, int mantissaBits, int exponentBits)
{
    const int largestExponent = (1 << exponentBits) - 1;
    const int bias = largestExponent / 2;
    const auto mantissa = static_cast<double>(bits & ((1U << mantissaBits) - 1U));
    const int exponent = static_cast<int>(bits >> mantissaBits) & largestExponent;
    const double sign = (bits & 0x8000U) != 0 ? -1.0 : 1.0;
    if (exponent == largestExponent) {
        return mantissa == 0.0 ? sign * kInfinity : std::nan("");
    }
    const double fraction = std::ldexp(mantissa, -mantissaBits);
    return exponent == 0 ? sign * std::ldexp(fraction, 1 - bias)
                         : sign * std::ldexp(1.0 + fraction, exponent - bias);
}

template <typename T>
void expectAllPatternsConvert(int mantissaBits, int exponentBits)
{
    for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
        const T number{static_cast<std::uint16_t>(bits)};
        const double expected = decode(bits, mantissaBits, exponentBits);
        const float value = toCompute(number);
        if (std::isnan(expected)) {
            EXPECT_TRUE(std::isnan(value)) << bits;
            EXPECT_TRUE(std::isnan(toCompute(fromCompute<T>(value)))) << bits;
            continue;
        }
        ASSERT_EQ(static_cast<double>(value), expected) << bits;
        ASSERT_EQ(fromCompute<T>(value).bits, bits);
    }
}

/// Halfway between neighbours the even one wins; a float above or below goes to the nearer one.
template <typename T>
void expectRoundingToNearestEven(std::uint16_t largestFinite)
{
    for (std::uint16_t bits = 0; bits < largestFinite; ++bits) {
        const T lower{bits};
        const T upper{static_cast<std::uint16_t>(bits + 1)};
        const float middle = 0.5F * (toCompute(lower) + toCompute(upper));
        const T even = bits % 2 == 0 ? lower : upper;
        ASSERT_EQ(fromCompute<T>(middle).bits, even.bits);
        ASSERT_EQ(fromCompute<T>(std::nextafter(middle, 0.0F)).bits, lower.bits);
        ASSERT_EQ(
            fromCompute<T>(std::nextafter(middle, std::numeric_limits<float>::infinity())).bits,
            upper.bits);
    }
}

} // namespace

TEST(NumberTypes, EveryBitPatternConvertsAsItsFormatDefines)
{
    expectAllPatternsConvert<BFloat16>(7, 8);
    expectAllPatternsConvert<Float16>(10, 5);
}

TEST(NumberTypes, RoundToNearestTiesToEven)
{
    expectRoundingToNearestEven<BFloat16>(0x7f00); // above, the sum of neighbours is infinite
    expectRoundingToNearestEven<Float16>(0x7bff);
}

TEST(NumberTypes, TooLargeForFloat16IsInfinite)
{
    EXPECT_EQ(fromCompute<Float16>(65519.0F).bits, 0x7bff);
    EXPECT_EQ(fromCompute<Float16>(65520.0F).bits, 0x7c00);
    EXPECT_EQ(fromCompute<Float16>(-1e30F).bits, 0xfc00);
    EXPECT_EQ(fromCompute<Float16>(std::numeric_limits<float>::infinity()).bits, 0x7c00);
}

TEST(VectorExp, IsWithinTwoUnitsInTheLastPlace)
{
    double worst = 0.0;
    for (float x = -87.29F; x < 88.0F; x += 1.37e-4F) {
        const double exact = std::exp(static_cast<double>(x));
        const double unit = std::ldexp(1.0, std::ilogb(exact) - 23);
        worst = std::max(worst, std::abs(static_cast<double>(vectorExp(x)) - exact) / unit);
    }
    EXPECT_LT(worst, 2.0);
    EXPECT_EQ(vectorExp(0.0F), 1.0F);
}

TEST(VectorExp, KeepsItsPromisesAtTheEnds)
{
    EXPECT_EQ(vectorExp(-87.31F), 0.0F);
    EXPECT_EQ(vectorExp(-std::numeric_limits<float>::infinity()), 0.0F);
    EXPECT_EQ(vectorExp(std::numeric_limits<float>::infinity()), vectorExp(88.0F));
    EXPECT_TRUE(std::isnan(vectorExp(std::numeric_limits<float>::quiet_NaN())));
}

TEST(ParallelFor, VisitsEveryItemOnce)
{
    for (const int threads : {0, 1, 2, 3, 7}) {
        for (const std::int64_t count : {0, 1, 2, 13, 1000}) {
            std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
            parallelFor(count, 3, threads, [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t i = begin; i < end; ++i) {
                    ++visits[static_cast<std::size_t>(i)];
                }
            });
            EXPECT_TRUE(std::all_of(visits.begin(), visits.end(), [](int n) { return n == 1; }))
                << threads << " threads, " << count << " items";
        }
    }
}

TEST(ParallelFor, TakesNoMorePartsThanThreadsOrGrainsAllow)
{
    const auto parts = [](std::int64_t count, std::int64_t grain, int threads) {
        std::atomic<int> calls = 0;
        parallelFor(count, grain, threads, [&](std::int64_t, std::int64_t) { ++calls; });
        return calls.load();
    };
    EXPECT_EQ(parts(100, 1, 1), 1);
    EXPECT_LE(parts(100, 1, 2), 2);
    EXPECT_EQ(parts(100, 100, 4), 1);
    EXPECT_LE(parts(100, 60, 4), 2);
}

TEST(Dispatch, AGpuWithoutCudaKernelsIsRefusedByName)
{
    if (kCudaCompiled) {
        GTEST_SKIP() << "this build has CUDA kernels";
    }
    try {
        runsOnCuda({Device::Cuda, nullptr, 0}, "someOperator");
        FAIL() << "was not refused";
    } catch (const KernelError& error) {
        EXPECT_NE(std::string(error.what()).find("someOperator"), std::string::npos);
    }
}

} // namespace longlora::kernels
