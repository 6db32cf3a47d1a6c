// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/number_types.h"

#include <cstdint>

namespace longlora::kernels {

/// 32 bits that look random, of a number of 64. Source: Steele et al. 2014 (doi:10.1145/2660193.
/// 2660195), the finaliser of SplitMix64.
[[gnu::always_inline]] LONGLORA_HOST_DEVICE constexpr std::uint32_t scrambled(std::uint64_t x)
{
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return static_cast<std::uint32_t>(x >> 32);
}

/// The random bits of one number of many that share a key, in arithmetic of 32 bits, of which a
/// vector unit does many at once. Source: Wellons 2018, hash-prospector, "lowbias32".
[[gnu::always_inline]] LONGLORA_HOST_DEVICE constexpr std::uint32_t randomBits(std::uint32_t key,
                                                                               std::uint32_t index)
{
    std::uint32_t x = key + index * 0x9e3779b9U;
    x = (x ^ (x >> 16)) * 0x7feb352dU;
    x = (x ^ (x >> 15)) * 0x846ca68bU;
    return x ^ (x >> 16);
}

/// x to one of the two bf16 around it, up with probability (distance to the lower) / (their
/// distance) to 2^-16; exact ones stay. NaN stays NaN. `random`: 16 bits.
[[gnu::always_inline]] LONGLORA_HOST_DEVICE constexpr BFloat16 randomlyRounded(float x,
                                                                               std::uint32_t random)
{
    const auto bits = __builtin_bit_cast(std::uint32_t, x);
    const bool isFinite = (bits & 0x7f800000U) != 0x7f800000U;
    const std::uint32_t kept = isFinite ? bits + random : bits | ((bits & 0xffffU) != 0U) << 16;
    return {static_cast<std::uint16_t>(kept >> 16)};
}

/// Floats of 4 bits of exponent and kMantissa of mantissa, none of sign: codes from 0 to kLast,
/// even steps below 2^-14.
template <int kMantissa>
struct ShortFloat {
    static constexpr std::uint32_t kLast = (16U << kMantissa) - 1U;
    static constexpr int kShift = 23 - kMantissa;          ///< of a float's mantissa
    static constexpr std::uint32_t kExponent = 112U << 23; ///< difference of the exponents' offsets
    static constexpr float kSmallestNormal = 0x1p-14F;
    /// Steps of the even part in 1.
    static constexpr float kSteps = static_cast<float>(1U << (14 + kMantissa));
    /// The largest: 2 less one step of the mantissa.
    static constexpr float kLargest = 2.0F - 1.0F / static_cast<float>(1U << kMantissa);

    /// x >= 0 to one of the two codes around it, as randomlyRounded.
    [[gnu::always_inline]] LONGLORA_HOST_DEVICE static constexpr std::uint32_t
    encode(float x, std::uint32_t random)
    {
        const auto bits = __builtin_bit_cast(std::uint32_t, x);
        const std::uint32_t normal = (bits - kExponent + (random << (kShift - 16))) >> kShift;
        const float small = x < kSmallestNormal ? x : 0.0F;
        const auto even = static_cast<std::uint32_t>(
            static_cast<std::int32_t>(small * kSteps + static_cast<float>(random) * 0x1p-16F));
        const std::uint32_t code = x < kSmallestNormal ? even : normal;
        return code < kLast ? code : kLast;
    }

    [[gnu::always_inline]] LONGLORA_HOST_DEVICE static constexpr float decode(std::uint32_t code)
    {
        const float normal = __builtin_bit_cast(float, (code << kShift) + kExponent);
        const float even = static_cast<float>(static_cast<std::int32_t>(code)) * (1.0F / kSteps);
        return code < (1U << kMantissa) ? even : normal;
    }
};

} // namespace longlora::kernels
