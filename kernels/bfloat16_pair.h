// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/number_types.h"

#include <bit>
#include <cstdint>

namespace longlora::kernels {

/// Two BFloat16 as the matrix units take them: the even row's in the low half.
using Pair [[gnu::may_alias]] = std::uint32_t;

[[gnu::always_inline]] inline Pair paired(BFloat16 even, BFloat16 odd)
{
    return even.bits | (static_cast<Pair>(odd.bits) << 16);
}

inline Pair* pairs(BFloat16* x)
{
    return reinterpret_cast<Pair*>(x);
}

inline const Pair* pairs(const BFloat16* x)
{
    return reinterpret_cast<const Pair*>(x);
}

/// Both rounded to the nearest, ties to even; NaN with a clear lower half, as arithmetic on
/// BFloat16 makes it, stays NaN.
[[gnu::always_inline]] inline Pair roundedPair(float even, float odd)
{
    const std::uint32_t low = std::bit_cast<std::uint32_t>(even);
    const std::uint32_t high = std::bit_cast<std::uint32_t>(odd);
    const std::uint32_t roundedLow = low + 0x7fffU + ((low >> 16) & 1U);
    const std::uint32_t roundedHigh = high + 0x7fffU + ((high >> 16) & 1U);
    return (roundedLow >> 16) | (roundedHigh & 0xffff0000U);
}

} // namespace longlora::kernels
