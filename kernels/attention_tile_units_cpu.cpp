// SPDX-License-Identifier: GPL-3.0-or-later
// Equations: attention_tile.h, where the plain form of the same is; tested with it. Sixteen queries
// at a time: what belongs to them stays in registers while the keys pass.
#include "kernels/attention_tile_units.h"
#include "kernels/tile_queue_step.h"
#include "kernels/wide_math.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace longlora::kernels::units {

#ifdef LONGLORA_HAS_MATRIX_UNITS

namespace {

/// The halves interleaved: a row of a paired matrix.
LONGLORA_MATRIX_UNITS_INLINE __m512i interleaved(__m512i halves)
{
    return _mm512_permutexvar_epi16(_mm512_loadu_si512(kTwoHalves.data()), halves);
}

/// Deals the steps of a queue evenly to so many pieces of work.
class Companion {
public:
    Companion(TileQueue* queue, std::int64_t pieces)
        : m_queue(queue)
        , m_left(queue != nullptr ? queue->steps() : 0)
        , m_interval(m_left > 0 ? std::max<std::int64_t>(1, pieces / m_left) : pieces + 1)
        , m_untilNext(m_interval)
    {}

    /// Along with a piece.
    LONGLORA_MATRIX_UNITS_INLINE void step()
    {
        if (--m_untilNext == 0 && m_left > 0) {
            m_queue->step();
            --m_left;
            m_untilNext = m_interval;
        }
    }

private:
    TileQueue* m_queue;
    std::int64_t m_left, m_interval, m_untilNext;
};

/// Sixteen queries from column `first` on.
struct Columns {
    std::int64_t first;
    __mmask16 mask;
};

/// maximum and sum take in the tile's maxima; writes shrink, 1 where nothing grew. Whether any did.
LONGLORA_MATRIX_UNITS_INLINE bool raise(const SoftmaxTile<BFloat16>& args, const Columns& columns,
                                        __m512& maximum, __m512& sum)
{
    constexpr float kSlackBits = 8.0F; // as in attention_tile_cpu.cpp
    const float factor = args.scale * kLog2E;
    __m512 highest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    for (std::int64_t r = 0; r < args.keys; ++r) {
        highest = _mm512_max_ps(
            highest,
            _mm512_maskz_loadu_ps(columns.mask, args.scores + r * args.queries + columns.first));
    }
    const __mmask16 raised = _mm512_mask_cmp_ps_mask(
        columns.mask, highest, _mm512_add_ps(maximum, _mm512_set1_ps(kSlackBits / factor)),
        _CMP_GT_OQ);
    __m512 shrink = _mm512_set1_ps(1.0F);
    if (raised != 0) {
        const __m512 higher = _mm512_mask_mov_ps(maximum, raised, highest);
        shrink = exp2(_mm512_mul_ps(_mm512_set1_ps(factor), _mm512_sub_ps(maximum, higher)));
        maximum = higher;
        sum = _mm512_mul_ps(sum, shrink);
    }
    _mm512_mask_storeu_ps(args.shrink + columns.first, columns.mask, shrink);
    return raised != 0;
}

} // namespace

LONGLORA_MATRIX_UNITS bool softmaxTile(const SoftmaxTile<BFloat16>& args)
{
    const __m512 factor = _mm512_set1_ps(args.scale * kLog2E);
    Companion companion(args.meanwhile, args.keys / 2 * ((args.queries + kLanes - 1) / kLanes));
    bool raised = false;
    for (std::int64_t c = 0; c < args.queries; c += kLanes) {
        const Columns columns{c, lanesFrom(c, args.queries)};
        __m512 maximum = _mm512_maskz_loadu_ps(columns.mask, args.maximum + c);
        __m512 sum = _mm512_maskz_loadu_ps(columns.mask, args.sum + c);
        raised |= raise(args, columns, maximum, sum);
        const __m512 offset = _mm512_mul_ps(factor, maximum);
        const float* scores = args.scores + c;
        BFloat16* share = args.share + 2 * c;
        for (std::int64_t r = 0; r < args.keys; r += 2) {
            companion.step();
            const __m512 even =
                exp2(_mm512_fmsub_ps(factor, _mm512_maskz_loadu_ps(columns.mask, scores), offset));
            const __m512 odd = exp2(_mm512_fmsub_ps(
                factor, _mm512_maskz_loadu_ps(columns.mask, scores + args.queries), offset));
            sum = _mm512_add_ps(sum, _mm512_add_ps(even, odd));
            _mm512_mask_storeu_epi32(share, columns.mask, interleaved(rounded(even, odd)));
            scores += 2 * args.queries;
            share += 2 * args.queries;
        }
        _mm512_mask_storeu_ps(args.maximum + c, columns.mask, maximum);
        _mm512_mask_storeu_ps(args.sum + c, columns.mask, sum);
    }
    return raised;
}

namespace {

/// What a query's gradients are made of.
struct QueryTerms {
    __m512 factor, offset, scale, delta;
};

/// P and dS of sixteen queries and one key.
struct Gradient {
    __m512 share, dScore;
};

LONGLORA_MATRIX_UNITS_INLINE Gradient gradientOf(const QueryTerms& terms, __m512 score,
                                                 __m512 dShare)
{
    const __m512 share = exp2(_mm512_fmsub_ps(terms.factor, score, terms.offset));
    return {share,
            _mm512_mul_ps(_mm512_mul_ps(share, terms.scale), _mm512_sub_ps(dShare, terms.delta))};
}

/// Two rows [2, queries] of bf16 from the halves.
LONGLORA_MATRIX_UNITS_INLINE void storeRows(BFloat16* out, std::int64_t queries, __mmask16 mask,
                                            __m512i halves)
{
    _mm256_mask_storeu_epi16(out, mask, _mm512_castsi512_si256(halves));
    _mm256_mask_storeu_epi16(out + queries, mask, _mm512_extracti64x4_epi64(halves, 1));
}

} // namespace

LONGLORA_MATRIX_UNITS void softmaxTileBackward(const SoftmaxTileGradient<BFloat16>& args)
{
    const std::int64_t queries = args.queries;
    Companion companion(args.meanwhile, args.keys / 2 * ((queries + kLanes - 1) / kLanes));
    QueryTerms terms;
    terms.factor = _mm512_set1_ps(args.scale * kLog2E);
    terms.scale = _mm512_set1_ps(args.scale);
    for (std::int64_t c = 0; c < queries; c += kLanes) {
        const __mmask16 mask = lanesFrom(c, queries);
        terms.offset =
            _mm512_mul_ps(_mm512_set1_ps(kLog2E), _mm512_maskz_loadu_ps(mask, args.logSumExp + c));
        terms.delta = _mm512_maskz_loadu_ps(mask, args.delta + c);
        for (std::int64_t r = 0; r < args.keys; r += 2) {
            companion.step();
            const std::int64_t at = r * queries + c;
            const auto gradientAt = [&](std::int64_t i) LONGLORA_MATRIX_UNITS {
                return gradientOf(terms, _mm512_maskz_loadu_ps(mask, args.scores + i),
                                  _mm512_maskz_loadu_ps(mask, args.dShare + i));
            };
            const Gradient even = gradientAt(at), odd = gradientAt(at + queries);
            storeRows(args.share + at, queries, mask, rounded(even.share, odd.share));
            const __m512i dScores = rounded(even.dScore, odd.dScore);
            storeRows(args.dScores + at, queries, mask, dScores);
            _mm512_mask_storeu_epi32(args.dScoresPaired + r * queries + 2 * c, mask,
                                     interleaved(dScores));
        }
    }
}

#else

bool softmaxTile(const SoftmaxTile<BFloat16>&)
{
    throw std::logic_error("softmaxTile: this processor has no matrix units");
}

void softmaxTileBackward(const SoftmaxTileGradient<BFloat16>&)
{
    throw std::logic_error("softmaxTileBackward: this processor has no matrix units");
}

#endif

} // namespace longlora::kernels::units
