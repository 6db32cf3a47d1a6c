// SPDX-License-Identifier: GPL-3.0-or-later
// Equations, sources: attention_tile.h. Tested against float64 written out naively.
#include "kernels/attention_tile.h"
#include "kernels/attention_tile_units.h"
#include "kernels/bfloat16_pair.h"
#include "kernels/matrix_units.h"
#include "kernels/number_types.h"
#include "kernels/vector_math.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace longlora::kernels {

namespace {

LONGLORA_VECTOR_CLONES void columnMaxima(const float* x, std::int64_t rows, std::int64_t columns,
                                         float* maxima)
{
    for (std::int64_t r = 0; r < rows; ++r) {
        const float* row = x + r * columns;
#pragma omp simd
        for (std::int64_t c = 0; c < columns; ++c) {
            maxima[c] = row[c] > maxima[c] ? row[c] : maxima[c];
        }
    }
}

/// exp2(factor (s - m)) of two rows, added to `sum`. `out`: pairs, or the even of two float rows.
template <typename Out>
LONGLORA_VECTOR_CLONES void sharePair(const float* scores, std::int64_t queries, float factor,
                                      const float* maximum, float* sum, Out* out)
{
    const float* next = scores + queries;
#pragma omp simd
    for (std::int64_t c = 0; c < queries; ++c) {
        const float p = exp2OfNegative(factor * (scores[c] - maximum[c]));
        const float q = exp2OfNegative(factor * (next[c] - maximum[c]));
        sum[c] += p + q;
        if constexpr (std::is_same_v<Out, float>) {
            out[c] = p;
            out[queries + c] = q;
        } else {
            out[c] = roundedPair(p, q);
        }
    }
}

/// Takes the maxima of a tile where they exceed those so far by more than `slack`; whether any did.
LONGLORA_VECTOR_CLONES bool raiseMaxima(const float* tileMaxima, std::int64_t queries, float slack,
                                        float factor, float* maximum, float* sum, float* shrink)
{
    int raised = 0;
#pragma omp simd reduction(| : raised)
    for (std::int64_t c = 0; c < queries; ++c) {
        const bool raises = tileMaxima[c] > maximum[c] + slack;
        const float higher = raises ? tileMaxima[c] : maximum[c];
        shrink[c] = exp2OfNegative(factor * (maximum[c] - higher));
        maximum[c] = higher;
        sum[c] *= shrink[c];
        raised |= raises ? 1 : 0;
    }
    return raised != 0;
}

/// Two rows of everything that the gradient of a tile reads and writes.
struct GradientRows {
    const float *scores, *dShare, *logSumExp, *delta;
    std::int64_t queries;
    float scale;
};

struct PairGradient {
    float share, dScore;
};

[[gnu::always_inline]] inline PairGradient gradientAt(const GradientRows& rows, std::int64_t at,
                                                      std::int64_t query)
{
    const float p = exp2OfNegative(kLog2E * (rows.scale * rows.scores[at] - rows.logSumExp[query]));
    return {p, rows.scale * p * (rows.dShare[at] - rows.delta[query])};
}

LONGLORA_VECTOR_CLONES void gradientPair(const GradientRows rows, float* share, float* dScores)
{
#pragma omp simd
    for (std::int64_t c = 0; c < rows.queries; ++c) {
        const PairGradient even = gradientAt(rows, c, c);
        const PairGradient odd = gradientAt(rows, rows.queries + c, c);
        share[c] = even.share;
        share[rows.queries + c] = odd.share;
        dScores[c] = even.dScore;
        dScores[rows.queries + c] = odd.dScore;
    }
}

LONGLORA_VECTOR_CLONES void gradientPair(const GradientRows rows, BFloat16* share,
                                         BFloat16* dScores, Pair* dScoresPaired)
{
    const std::int64_t queries = rows.queries;
#pragma omp simd
    for (std::int64_t c = 0; c < queries; ++c) {
        const PairGradient even = gradientAt(rows, c, c);
        const PairGradient odd = gradientAt(rows, queries + c, c);
        const Pair shares = roundedPair(even.share, odd.share);
        const Pair gradients = roundedPair(even.dScore, odd.dScore);
        share[c].bits = static_cast<std::uint16_t>(shares);
        share[queries + c].bits = static_cast<std::uint16_t>(shares >> 16);
        dScores[c].bits = static_cast<std::uint16_t>(gradients);
        dScores[queries + c].bits = static_cast<std::uint16_t>(gradients >> 16);
        dScoresPaired[c] = gradients;
    }
}

template <typename T>
LONGLORA_VECTOR_CLONES void dots(const Rows<T>& a, const Rows<T>& b, std::int64_t columns,
                                 float* out)
{
    for (std::int64_t r = 0; r < a.count; ++r) {
        const T *left = a.data + r * a.stride, *right = b.data + r * b.stride;
        float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
        for (std::int64_t c = 0; c < columns; ++c) {
            sum += toCompute(left[c]) * toCompute(right[c]);
        }
        out[r] = sum;
    }
}

template <typename T>
LONGLORA_VECTOR_CLONES void addEach(const float* sums, std::int64_t rows, std::int64_t columns,
                                    T* out, std::int64_t outStride)
{
    for (std::int64_t r = 0; r < rows; ++r) {
        const float* from = sums + r * columns;
        T* to = out + r * outStride;
#pragma omp simd
        for (std::int64_t c = 0; c < columns; ++c) {
            to[c] = fromCompute<T>(toCompute(to[c]) + from[c]);
        }
    }
}

} // namespace

void hideScores(float* scores, std::int64_t keys, std::int64_t queries,
                const TileVisibility& visible)
{
    constexpr float kHidden = -std::numeric_limits<float>::infinity();
    for (std::int64_t r = 0; r < keys; ++r) {
        float* row = scores + r * queries;
        const std::int64_t first = std::clamp<std::int64_t>(visible.first + r, 0, queries);
        const std::int64_t end =
            std::clamp<std::int64_t>(visible.first + r + visible.window, first, queries);
        const bool isKey = r < visible.keys;
        std::fill(row, row + (isKey ? first : queries), kHidden);
        std::fill(row + (isKey ? end : queries), row + queries, kHidden);
    }
}

template <typename T>
bool softmaxTile(const SoftmaxTile<T>& args)
{
    if constexpr (std::is_same_v<T, BFloat16>) {
        if (hasMatrixUnits()) {
            return units::softmaxTile(args);
        }
    }
    // Shares of up to 2^8 lose nothing in floating point, and tiles that bring maxima only a little
    // higher need not shrink what was summed before.
    constexpr float kSlackBits = 8.0F;
    const float factor = args.scale * kLog2E;
    const std::int64_t queries = args.queries;
    std::fill_n(args.tileMaximum, queries, -std::numeric_limits<float>::infinity());
    columnMaxima(args.scores, args.keys, queries, args.tileMaximum);
    const bool raised = raiseMaxima(args.tileMaximum, queries, kSlackBits / factor, factor,
                                    args.maximum, args.sum, args.shrink);
    for (std::int64_t r = 0; r < args.keys; r += 2) {
        const float* scores = args.scores + r * queries;
        if constexpr (std::is_same_v<T, float>) {
            sharePair(scores, queries, factor, args.maximum, args.sum, args.share + r * queries);
        } else {
            sharePair(scores, queries, factor, args.maximum, args.sum,
                      pairs(args.share) + r / 2 * queries);
        }
    }
    return raised;
}

LONGLORA_VECTOR_CLONES void scaleColumns(float* x, std::int64_t rows, std::int64_t columns,
                                         const float* factor)
{
    for (std::int64_t r = 0; r < rows; ++r) {
        float* row = x + r * columns;
#pragma omp simd
        for (std::int64_t c = 0; c < columns; ++c) {
            row[c] *= factor[c];
        }
    }
}

template <typename T>
void softmaxTileBackward(const SoftmaxTileGradient<T>& args)
{
    if constexpr (std::is_same_v<T, BFloat16>) {
        if (hasMatrixUnits()) {
            units::softmaxTileBackward(args);
            return;
        }
    }
    for (std::int64_t r = 0; r < args.keys; r += 2) {
        const std::int64_t at = r * args.queries;
        const GradientRows rows{args.scores + at, args.dShare + at, args.logSumExp,
                                args.delta,       args.queries,     args.scale};
        if constexpr (std::is_same_v<T, float>) {
            gradientPair(rows, args.share + at, args.dScores + at);
        } else {
            gradientPair(rows, args.share + at, args.dScores + at,
                         pairs(args.dScoresPaired) + at / 2);
        }
    }
}

template <typename T>
void rowDots(const Rows<T>& a, const Rows<T>& b, std::int64_t columns, float* out)
{
    dots(a, b, columns, out);
}

template <typename T>
void addRows(const float* sums, std::int64_t rows, std::int64_t columns, T* out,
             std::int64_t outStride)
{
    addEach(sums, rows, columns, out, outStride);
}

template bool softmaxTile(const SoftmaxTile<float>&);
template bool softmaxTile(const SoftmaxTile<BFloat16>&);
template void softmaxTileBackward(const SoftmaxTileGradient<float>&);
template void softmaxTileBackward(const SoftmaxTileGradient<BFloat16>&);
template void rowDots(const Rows<float>&, const Rows<float>&, std::int64_t, float*);
template void rowDots(const Rows<BFloat16>&, const Rows<BFloat16>&, std::int64_t, float*);
template void addRows(const float*, std::int64_t, std::int64_t, float*, std::int64_t);
template void addRows(const float*, std::int64_t, std::int64_t, BFloat16*, std::int64_t);

} // namespace longlora::kernels
