// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

// The same in C++ and CUDA.
#ifdef __CUDACC__
#    define LONGLORA_HOST_DEVICE __host__ __device__
#else
#    define LONGLORA_HOST_DEVICE
#endif

namespace longlora::kernels {

/// The upper half of a float: 8 bits of exponent, 7 of mantissa.
struct BFloat16 {
    std::uint16_t bits;
};

/// IEEE 754 binary16: 5 bits of exponent, 10 of mantissa.
struct Float16 {
    std::uint16_t bits;
};

/// The type operators calculate in: double for double, float for everything shorter.
template <typename T>
using Compute = std::conditional_t<std::is_same_v<T, double>, double, float>;

// Conversions are branch-free where a vector unit can do them, and inlined into clones of the
// calling function for wider vector units.

[[gnu::always_inline]] constexpr double toCompute(double value)
{
    return value;
}

[[gnu::always_inline]] constexpr float toCompute(float value)
{
    return value;
}

[[gnu::always_inline]] LONGLORA_HOST_DEVICE constexpr float toCompute(BFloat16 value)
{
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(value.bits) << 16);
}

[[gnu::always_inline]] constexpr float toCompute(Float16 value)
{
    const std::uint32_t sign = (value.bits & 0x8000U) << 16;
    const std::uint32_t magnitude = value.bits & 0x7fffU;
    // 2^-24 is the unit of subnormal numbers; 112 the difference of the exponents' offsets.
    const std::uint32_t subnormal =
        std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * 0x1.0p-24F);
    const std::uint32_t normal = (magnitude << 13) + (112U << 23);
    const std::uint32_t infiniteOrNaN = (magnitude << 13) | 0x7f800000U;
    const std::uint32_t finite = magnitude < 0x0400U ? subnormal : normal;
    return std::bit_cast<float>(sign | (magnitude < 0x7c00U ? finite : infiniteOrNaN));
}

/// Rounds to the nearest value of `T`, ties to even; NaN stays NaN.
template <typename T>
[[gnu::always_inline]] constexpr T fromCompute(Compute<T> value)
{
    if constexpr (std::is_same_v<T, Compute<T>>) {
        return value;
    } else if constexpr (std::is_same_v<T, BFloat16>) {
        const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
        const std::uint32_t rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
        const bool isNaN = (bits & 0x7fffffffU) > 0x7f800000U;
        return {static_cast<std::uint16_t>(isNaN ? 0x7fc0U : rounded)};
    } else {
        static_assert(std::is_same_v<T, Float16>);
        const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
        const std::uint32_t sign = (bits >> 16) & 0x8000U;
        const std::uint32_t magnitude = bits & 0x7fffffffU;
        // Adding 0.5 lets the adder round to 2^-24, the unit of subnormal numbers.
        const std::uint32_t subnormal =
            std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3f000000U;
        const std::uint32_t normal =
            (magnitude - (112U << 23) + 0x0fffU + ((magnitude >> 13) & 1U)) >> 13;
        const std::uint32_t finite = magnitude < 0x38800000U ? subnormal : normal;
        const std::uint32_t ordered = magnitude < 0x47800000U ? finite : 0x7c00U;
        const bool isNaN = magnitude > 0x7f800000U;
        return {static_cast<std::uint16_t>(sign | (isNaN ? 0x7e00U : ordered))};
    }
}

} // namespace longlora::kernels
