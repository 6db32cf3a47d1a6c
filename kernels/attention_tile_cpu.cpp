// SPDX-License-Identifier: GPL-3.0-or-later
// Equations, sources: attention_tile.h. Tested against float64 written out naively.
#include "kernels/attention_tile.h"
#include "kernels/number_types.h"
#include "kernels/vector_math.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace longlora::kernels {

namespace {

/// Two BFloat16 as the matrix units take them: the even row's in the low half.
using Pair [[gnu::may_alias]] = std::uint32_t;

[[gnu::always_inline]] inline Pair paired(BFloat16 even, BFloat16 odd)
{
    return even.bits | (static_cast<Pair>(odd.bits) << 16);
}

Pair* pairs(BFloat16* x)
{
    return reinterpret_cast<Pair*>(x);
}

const Pair* pairs(const BFloat16* x)
{
    return reinterpret_cast<const Pair*>(x);
}

LONGLORA_VECTOR_CLONES void interleave(const BFloat16* even, const BFloat16* odd,
                                       std::int64_t count, Pair* out)
{
#pragma omp simd
    for (std::int64_t c = 0; c < count; ++c) {
        out[c] = paired(even[c], odd[c]);
    }
}

/// Side of the squares that are transposed at a time: a cache line of float.
constexpr std::int64_t kSquare = 16;

/// out[c, r] = x[r, c] for elements of any trivial type.
template <typename Element>
LONGLORA_VECTOR_CLONES void transposeElements(const Element* x, std::int64_t stride,
                                              std::int64_t rows, std::int64_t columns,
                                              std::int64_t width, Element* out)
{
    for (std::int64_t r0 = 0; r0 < rows; r0 += kSquare) {
        const std::int64_t rEnd = std::min(rows, r0 + kSquare);
        for (std::int64_t c = 0; c < columns; ++c) {
            for (std::int64_t r = r0; r < rEnd; ++r) {
                out[c * width + r] = x[r * stride + c];
            }
        }
    }
    for (std::int64_t c = 0; c < columns && rows < width; ++c) {
        std::fill(out + c * width + rows, out + (c + 1) * width, Element{});
    }
}

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

/// 2^x for x <= 0 (a little more does no harm) to 2 units in the last place; below -126, where
/// floats get subnormal, 0; NaN is NaN. Leaner than vectorExp, whose argument may be anything.
[[gnu::always_inline]] inline float exp2OfNegative(float x)
{
    constexpr float kLowest = -126.0F;
    constexpr float kRoundToInteger = 12582912.0F; // 1.5 x 2^23: its last mantissa bit is worth 1
    const float clamped = x < kLowest ? kLowest : x;
    const float shifted = clamped + kRoundToInteger;
    const float r = clamped - (shifted - kRoundToInteger); // |r| <= 1/2

    // Taylor coefficients ln(2)^k / k!, the last one adjusted for the terms left out.
    float p = 1.5353362e-4F;
    p = p * r + 1.3398874e-3F;
    p = p * r + 9.6184373e-3F;
    p = p * r + 5.5503324e-2F;
    p = p * r + 2.4022648e-1F;
    p = p * r + 6.9314720e-1F;
    p = p * r + 1.0F;
    // The integer stands in the low bits of `shifted`; added to the exponent it is the factor 2^n.
    const std::uint32_t power =
        std::bit_cast<std::uint32_t>(p) + (std::bit_cast<std::uint32_t>(shifted) << 23);
    return x < kLowest ? 0.0F : std::bit_cast<float>(power);
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

constexpr float kLog2E = 1.44269504F;

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
LONGLORA_VECTOR_CLONES float dot(const T* a, const T* b, std::int64_t columns)
{
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t c = 0; c < columns; ++c) {
        sum += toCompute(a[c]) * toCompute(b[c]);
    }
    return sum;
}

template <typename T>
LONGLORA_VECTOR_CLONES void addRow(const float* sums, std::int64_t columns, T* out)
{
#pragma omp simd
    for (std::int64_t c = 0; c < columns; ++c) {
        out[c] = fromCompute<T>(toCompute(out[c]) + sums[c]);
    }
}

template <typename T>
LONGLORA_VECTOR_CLONES void untransposeSquares(const UntransposedRows<T>& args)
{
    for (std::int64_t c0 = 0; c0 < args.columns; c0 += kSquare) {
        const std::int64_t cEnd = std::min(args.columns, c0 + kSquare);
        for (std::int64_t r = 0; r < args.rows; ++r) {
            const float factor = args.factor != nullptr ? args.factor[r] : 1.0F;
            for (std::int64_t c = c0; c < cEnd; ++c) {
                args.out[r * args.outStride + c] =
                    fromCompute<T>(factor * args.x[c * args.width + r]);
            }
        }
    }
}

} // namespace

template <>
void pairTransposed(const Rows<float>& x, std::int64_t columns, std::int64_t width, float* out)
{
    transposeElements(x.data, x.stride, x.count, columns, width, out);
}

template <>
void pairTransposed(const Rows<BFloat16>& x, std::int64_t columns, std::int64_t width,
                    BFloat16* out)
{
    // Two neighbours of a row of x are a pair: transposed as one element of 32 bits.
    transposeElements(pairs(x.data), x.stride / 2, x.count, columns / 2, width, pairs(out));
}

template <>
void pairRows(const Rows<float>& x, std::int64_t columns, std::int64_t height, float* out)
{
    for (std::int64_t r = 0; r < x.count; ++r) {
        std::copy_n(x.data + r * x.stride, columns, out + r * columns);
    }
    std::fill(out + x.count * columns, out + height * columns, 0.0F);
}

template <>
void pairRows(const Rows<BFloat16>& x, std::int64_t columns, std::int64_t height, BFloat16* out)
{
    for (std::int64_t r = 0; r + 1 < x.count; r += 2) {
        const BFloat16* even = x.data + r * x.stride;
        interleave(even, even + x.stride, columns, pairs(out) + r / 2 * columns);
    }
    if (x.count % 2 != 0) {
        const BFloat16* last = x.data + (x.count - 1) * x.stride;
        for (std::int64_t c = 0; c < columns; ++c) {
            pairs(out)[x.count / 2 * columns + c] = paired(last[c], BFloat16{0});
        }
    }
    std::fill(pairs(out) + (x.count + 1) / 2 * columns, pairs(out) + height / 2 * columns, Pair{0});
}

template <typename T>
void transposeRows(const Rows<T>& x, std::int64_t columns, std::int64_t width, T* out)
{
    transposeElements(x.data, x.stride, x.count, columns, width, out);
}

template <typename T>
void untransposeRows(const UntransposedRows<T>& args)
{
    untransposeSquares(args);
}

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
    for (std::int64_t r = 0; r < a.count; ++r) {
        out[r] = dot(a.data + r * a.stride, b.data + r * b.stride, columns);
    }
}

template <typename T>
void addRows(const float* sums, std::int64_t rows, std::int64_t columns, T* out,
             std::int64_t outStride)
{
    for (std::int64_t r = 0; r < rows; ++r) {
        addRow(sums + r * columns, columns, out + r * outStride);
    }
}

template void transposeRows(const Rows<float>&, std::int64_t, std::int64_t, float*);
template void transposeRows(const Rows<BFloat16>&, std::int64_t, std::int64_t, BFloat16*);
template void untransposeRows(const UntransposedRows<float>&);
template void untransposeRows(const UntransposedRows<BFloat16>&);
template bool softmaxTile(const SoftmaxTile<float>&);
template bool softmaxTile(const SoftmaxTile<BFloat16>&);
template void softmaxTileBackward(const SoftmaxTileGradient<float>&);
template void softmaxTileBackward(const SoftmaxTileGradient<BFloat16>&);
template void rowDots(const Rows<float>&, const Rows<float>&, std::int64_t, float*);
template void rowDots(const Rows<BFloat16>&, const Rows<BFloat16>&, std::int64_t, float*);
template void addRows(const float*, std::int64_t, std::int64_t, float*, std::int64_t);
template void addRows(const float*, std::int64_t, std::int64_t, BFloat16*, std::int64_t);

} // namespace longlora::kernels
