// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <bit>
#include <cstdint>

namespace longlora {

// Numbers of 16 bits as bits, to and from float. To 16 bits the nearest is taken, of two the even
// one; what is too large becomes infinity.

/// IEEE 754 binary16.
inline float floatOfHalf(std::uint16_t half)
{
    const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
    const std::uint32_t magnitude = half & 0x7FFFU;
    if (magnitude >= 0x7C00U) { // infinity, NaN
        return std::bit_cast<float>(sign | 0x7F800000U | (magnitude & 0x3FFU) << 13);
    }
    if (magnitude >= 0x400U) {
        return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000U));
    }
    const float value = static_cast<float>(magnitude) * 0x1p-24F; // exact
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
}

inline std::uint16_t halfOfFloat(float value)
{
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = bits >> 16 & 0x8000U;
    const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
    if (magnitude > 0x7F800000U) { // NaN stays one
        return static_cast<std::uint16_t>(sign | 0x7E00U | (magnitude >> 13 & 0x3FFU));
    }
    if (magnitude >= 0x477FF000U) { // rounds to 65536 or more
        return static_cast<std::uint16_t>(sign | 0x7C00U);
    }
    if (magnitude < 0x38800000U) { // below 2^-14: a sum whose last bit is 2^-24
        const float sum = std::bit_cast<float>(magnitude) + 0.5F;
        return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(sum) - 0x3F000000U));
    }
    const std::uint32_t rounded = magnitude + 0xFFFU + (magnitude >> 13 & 1U) - 0x38000000U;
    return static_cast<std::uint16_t>(sign | rounded >> 13);
}

/// The upper half of a float.
inline float floatOfBfloat(std::uint16_t bfloat)
{
    return std::bit_cast<float>(static_cast<std::uint32_t>(bfloat) << 16);
}

inline std::uint16_t bfloatOfFloat(float value)
{
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
        return static_cast<std::uint16_t>(bits >> 16 | 64U); // NaN, made quiet
    }
    return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

} // namespace longlora
