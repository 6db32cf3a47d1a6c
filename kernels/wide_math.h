// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/matrix_units.h"
#include "kernels/vector_math.h"

#include <array>
#include <cstddef>
#include <cstdint>

#ifdef LONGLORA_HAS_MATRIX_UNITS

namespace longlora::kernels {

// Sixteen floats, or thirty-two bf16, at a time, with the instructions that processors with matrix
// units have beside them and a vectoriser does not find.

inline constexpr std::int64_t kLanes = 16;

/// The lanes that are left of `count` from `first` on.
LONGLORA_MATRIX_UNITS_INLINE __mmask16 lanesFrom(std::int64_t first, std::int64_t count)
{
    const std::int64_t left = count - first;
    return static_cast<__mmask16>(left >= kLanes ? 0xffff : (1 << (left > 0 ? left : 0)) - 1);
}

/// The same of 32 bf16.
LONGLORA_MATRIX_UNITS_INLINE __mmask32 pairsOfLanes(std::int64_t left)
{
    return left >= 2 * kLanes ? ~0U : (1U << (left > 0 ? left : 0)) - 1U;
}

/// 2^x to 2 units in the last place for x up to 127; 2^-infinity is 0, NaN is NaN.
LONGLORA_MATRIX_UNITS_INLINE __m512 exp2(__m512 x)
{
    constexpr int kToNearest = 0;
    const __m512 r = _mm512_reduce_ps(x, kToNearest); // x minus the integer next to it
    __m512 p = _mm512_set1_ps(kExp2Polynomial[0]);
    for (std::size_t i = 1; i < kExp2Polynomial.size(); ++i) {
        p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kExp2Polynomial[i]));
    }
    return _mm512_scalef_ps(p, _mm512_sub_ps(x, r));
}

LONGLORA_MATRIX_UNITS_INLINE __m512 widened(__m256i bf16)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}

LONGLORA_MATRIX_UNITS_INLINE __m512 lowerWidened(__m512i bf16)
{
    return widened(_mm512_castsi512_si256(bf16));
}

LONGLORA_MATRIX_UNITS_INLINE __m512 upperWidened(__m512i bf16)
{
    return widened(_mm512_extracti64x4_epi64(bf16, 1));
}

/// As bf16, to the nearest, ties to even; `lower` in the lower half. Subnormal numbers become 0.
LONGLORA_MATRIX_UNITS_INLINE __m512i rounded(__m512 lower, __m512 upper)
{
    const __m512bh both = _mm512_cvtne2ps_pbh(upper, lower);
    return reinterpret_cast<const __m512i&>(both);
}

/// Where element i of two interleaved sequences comes from: the second starts `distance` elements
/// behind the first.
consteval std::array<std::uint16_t, 2 * kLanes> interleaving(std::uint16_t distance)
{
    std::array<std::uint16_t, 2 * kLanes> index{};
    for (std::uint16_t i = 0; i < index.size(); ++i) {
        index[i] = static_cast<std::uint16_t>(i / 2 + i % 2 * distance);
    }
    return index;
}
inline constexpr auto kTwoVectors = interleaving(2 * kLanes); ///< of their first halves
inline constexpr auto kTwoHalves = interleaving(kLanes);      ///< of one vector

} // namespace longlora::kernels

#endif
