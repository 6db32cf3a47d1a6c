// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

// A function with this mark is compiled three times, for SSE2, AVX2 and AVX-512, and the loader
// takes the widest that the processor has. Functions called in its loops must be inlined into it.
// Sanitizers cannot start before the loader has chosen, so they get the plain function.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__) &&       \
    defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#    define LONGLORA_VECTOR_CLONES                                                                 \
        __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#    define LONGLORA_VECTOR_CLONES
#endif

namespace longlora::kernels {

inline constexpr float kLog2E = 1.44269504F;

/// e^x to 2 units in the last place, in arithmetic that loops over it can be vectorised with (a
/// call of std::exp cannot). Below -87.3, where floats get subnormal, 0; above 88, e^88; NaN is
/// NaN.
[[gnu::always_inline]] inline float vectorExp(float x)
{
    constexpr float kLowest = -87.3F;
    constexpr float kHighest = 88.0F;
    constexpr float kLn2High = 0.693359375F; // few bits, so that n x kLn2High is exact
    constexpr float kLn2Low = -2.12194440e-4F;
    constexpr float kRoundToInteger = 12582912.0F; // 1.5 x 2^23: its last mantissa bit is worth 1

    const float low = x < kLowest ? kLowest : x;
    const float clamped = kHighest < low ? kHighest : low;
    const float shifted = clamped * kLog2E + kRoundToInteger;
    const float n = shifted - kRoundToInteger;
    const float r = (clamped - n * kLn2High) - n * kLn2Low; // |r| <= ln(2) / 2

    // Minimax polynomial of (e^r - 1 - r) / r^2: Moshier's Cephes library, expf.
    float p = 1.9875691500e-4F;
    p = p * r + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    const float expR = (p * r) * r + r + 1.0F;

    // n stands in the low bits of `shifted`; moved into the exponent it is the factor 2^n.
    const std::uint32_t exponent = (std::bit_cast<std::uint32_t>(shifted) << 23) + 0x3f800000U;
    return x < kLowest ? 0.0F : expR * std::bit_cast<float>(exponent);
}

[[gnu::always_inline]] inline double vectorExp(double x)
{
    return std::exp(x);
}

/// Minimax polynomial of 2^r for |r| <= 1/2, highest power first, near Taylor's coefficients
/// ln(2)^k / k!.
inline constexpr std::array<float, 7> kExp2Polynomial{
    1.5353362e-4F, 1.3398874e-3F, 9.6184373e-3F, 5.5503324e-2F, 2.4022648e-1F, 6.9314720e-1F, 1.0F};

/// 2^x for x <= 0 (a little more does no harm) to 2 units in the last place; below -126, where
/// floats get subnormal, 0; NaN is NaN. Leaner than vectorExp, whose argument may be anything.
[[gnu::always_inline]] inline float exp2OfNegative(float x)
{
    constexpr float kLowest = -126.0F;
    constexpr float kRoundToInteger = 12582912.0F; // 1.5 x 2^23: its last mantissa bit is worth 1
    const float clamped = x < kLowest ? kLowest : x;
    const float shifted = clamped + kRoundToInteger;
    const float r = clamped - (shifted - kRoundToInteger); // |r| <= 1/2

    float p = kExp2Polynomial[0];
    p = p * r + kExp2Polynomial[1];
    p = p * r + kExp2Polynomial[2];
    p = p * r + kExp2Polynomial[3];
    p = p * r + kExp2Polynomial[4];
    p = p * r + kExp2Polynomial[5];
    p = p * r + kExp2Polynomial[6];
    // The integer stands in the low bits of `shifted`; added to the exponent it is the factor 2^n.
    const std::uint32_t power =
        std::bit_cast<std::uint32_t>(p) + (std::bit_cast<std::uint32_t>(shifted) << 23);
    return x < kLowest ? 0.0F : std::bit_cast<float>(power);
}

/// e^x for x <= 0: vectorExp, leaner.
[[gnu::always_inline]] inline float vectorExpOfNegative(float x)
{
    return exp2OfNegative(kLog2E * x);
}

[[gnu::always_inline]] inline double vectorExpOfNegative(double x)
{
    return std::exp(x);
}

} // namespace longlora::kernels
