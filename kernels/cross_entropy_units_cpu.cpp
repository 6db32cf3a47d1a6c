// SPDX-License-Identifier: GPL-3.0-or-later
// Tested with cross_entropy_cpu.cpp, whose loops these are.
#include "kernels/cross_entropy_units.h"
#include "kernels/wide_math.h"

#include <limits>
#include <stdexcept>

namespace longlora::kernels::units {

#ifdef LONGLORA_HAS_MATRIX_UNITS

namespace {

constexpr std::int64_t kStep = 2 * kLanes;

/// exp(z - maximum), in this order: the lowest floats would not survive a factor.
LONGLORA_MATRIX_UNITS_INLINE __m512 expOf(__m512 z, __m512 maximum)
{
    return exp2(_mm512_mul_ps(_mm512_set1_ps(kLog2E), _mm512_sub_ps(z, maximum)));
}

} // namespace

LONGLORA_MATRIX_UNITS float largest(const BFloat16* z, std::int64_t count)
{
    // Absent lanes are 0xff80, minus infinity.
    const __m512i none = _mm512_set1_epi16(static_cast<short>(0xff80));
    __m512 lower = _mm512_set1_ps(-std::numeric_limits<float>::infinity()), upper = lower;
    for (std::int64_t v = 0; v < count; v += kStep) {
        const __m512i logits = _mm512_mask_loadu_epi16(none, pairsOfLanes(count - v), z + v);
        lower = _mm512_max_ps(lower, lowerWidened(logits));
        upper = _mm512_max_ps(upper, upperWidened(logits));
    }
    return _mm512_reduce_max_ps(_mm512_max_ps(lower, upper));
}

LONGLORA_MATRIX_UNITS float sumOfExp(const BFloat16* z, std::int64_t count, float maximum)
{
    const __m512 most = _mm512_set1_ps(maximum);
    const __m512i none = _mm512_set1_epi16(static_cast<short>(0xff80));
    __m512 lower = _mm512_setzero_ps(), upper = lower;
    for (std::int64_t v = 0; v < count; v += kStep) {
        const __m512i logits = _mm512_mask_loadu_epi16(none, pairsOfLanes(count - v), z + v);
        lower = _mm512_add_ps(lower, expOf(lowerWidened(logits), most));
        upper = _mm512_add_ps(upper, expOf(upperWidened(logits), most));
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(lower, upper));
}

LONGLORA_MATRIX_UNITS void scaleExp(BFloat16* z, std::int64_t count, float maximum, float factor)
{
    const __m512 most = _mm512_set1_ps(maximum);
    const __m512 by = _mm512_set1_ps(factor);
    for (std::int64_t v = 0; v < count; v += kStep) {
        const __mmask32 mask = pairsOfLanes(count - v);
        const __m512i logits = _mm512_maskz_loadu_epi16(mask, z + v);
        _mm512_mask_storeu_epi16(z + v, mask,
                                 rounded(_mm512_mul_ps(by, expOf(lowerWidened(logits), most)),
                                         _mm512_mul_ps(by, expOf(upperWidened(logits), most))));
    }
}

#else

float largest(const BFloat16*, std::int64_t)
{
    throw std::logic_error("largest: this processor has no matrix units");
}

float sumOfExp(const BFloat16*, std::int64_t, float)
{
    throw std::logic_error("sumOfExp: this processor has no matrix units");
}

void scaleExp(BFloat16*, std::int64_t, float, float)
{
    throw std::logic_error("scaleExp: this processor has no matrix units");
}

#endif

} // namespace longlora::kernels::units
