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

// Transposed square by square of 8 x 8 elements of 32 bits, in three rounds of shuffles: of single
// elements, of pairs and of fours.
constexpr std::int64_t kSquare = 8;
using Eight [[gnu::vector_size(32)]] = std::uint32_t;
using EightAnywhere [[gnu::vector_size(32), gnu::aligned(4), gnu::may_alias]] = std::uint32_t;
using Square = Eight[kSquare];

template <int Distance>
[[gnu::always_inline]] inline void exchange(Square& rows)
{
    constexpr auto kIndex = [](int lane, bool isHigh) {
        const int from = isHigh ? (lane | Distance) : (lane & ~Distance);
        return (lane & Distance) != 0 ? from + 8 : from;
    };
    constexpr Eight kLow{kIndex(0, false), kIndex(1, false), kIndex(2, false), kIndex(3, false),
                         kIndex(4, false), kIndex(5, false), kIndex(6, false), kIndex(7, false)};
    constexpr Eight kHigh{kIndex(0, true), kIndex(1, true), kIndex(2, true), kIndex(3, true),
                          kIndex(4, true), kIndex(5, true), kIndex(6, true), kIndex(7, true)};
    for (int r = 0; r < kSquare; ++r) {
        if ((r & Distance) == 0) {
            const Eight upper = rows[r];
            const Eight lower = rows[r | Distance];
            rows[r] = __builtin_shuffle(upper, lower, kLow);
            rows[r | Distance] = __builtin_shuffle(upper, lower, kHigh);
        }
    }
}

/// rows[c] lane r becomes rows[r] lane c.
[[gnu::always_inline]] inline void transpose(Square& rows)
{
    exchange<1>(rows);
    exchange<2>(rows);
    exchange<4>(rows);
}

[[gnu::always_inline]] inline void loadSquare(const Pair* x, std::int64_t stride, Square& rows)
{
    for (int r = 0; r < kSquare; ++r) {
        rows[r] = *reinterpret_cast<const EightAnywhere*>(x + r * stride);
    }
}

/// What the words' high halves are 0 for.
[[gnu::always_inline]] inline void storeLowHalves(const Eight& words, BFloat16* out)
{
    using Halves [[gnu::vector_size(16)]] = std::uint16_t;
    using HalvesAnywhere [[gnu::vector_size(16), gnu::aligned(2), gnu::may_alias]] = std::uint16_t;
    *reinterpret_cast<HalvesAnywhere*>(out) = __builtin_convertvector(words, Halves);
}

using EightFloats [[gnu::vector_size(32)]] = float;

[[gnu::always_inline]] inline void storeRounded(const EightFloats& values, float* out)
{
    *reinterpret_cast<EightAnywhere*>(out) = reinterpret_cast<Eight>(values);
}

/// As roundedPair rounds.
[[gnu::always_inline]] inline void storeRounded(const EightFloats& values, BFloat16* out)
{
    const Eight bits = reinterpret_cast<Eight>(values);
    storeLowHalves((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16, out);
}

/// Squares of a matrix, and what does not fill one: calls square(r, c) and single(r, c).
template <typename Squares, typename Singles>
[[gnu::always_inline]] inline void forEachSquare(std::int64_t rows, std::int64_t columns,
                                                 const Squares& square, const Singles& single)
{
    const std::int64_t fullRows = rows / kSquare * kSquare;
    const std::int64_t fullColumns = columns / kSquare * kSquare;
    for (std::int64_t r = 0; r < fullRows; r += kSquare) {
        for (std::int64_t c = 0; c < fullColumns; c += kSquare) {
            square(r, c);
        }
    }
    for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t c = r < fullRows ? fullColumns : 0; c < columns; ++c) {
            single(r, c);
        }
    }
}

/// Elements of 32 bits, `stride` apart from row to row.
struct Words {
    const Pair* data;
    std::int64_t stride, rows, columns;
};

/// out[c, r] = x[r, c].
LONGLORA_VECTOR_CLONES void transposeWords(const Words& x, std::int64_t width, Pair* out)
{
    forEachSquare(
        x.rows, x.columns,
        [&](std::int64_t r, std::int64_t c) __attribute__((always_inline)) {
            Square square;
            loadSquare(x.data + r * x.stride + c, x.stride, square);
            transpose(square);
            for (int i = 0; i < kSquare; ++i) {
                *reinterpret_cast<EightAnywhere*>(out + (c + i) * width + r) = square[i];
            }
        },
        [&](std::int64_t r, std::int64_t c)
            __attribute__((always_inline)) { out[c * width + r] = x.data[r * x.stride + c]; });
}

/// out[2 c, r] and out[2 c + 1, r] are the two halves of x[r, c].
LONGLORA_VECTOR_CLONES void transposeHalves(const Words& x, std::int64_t width, BFloat16* out)
{
    forEachSquare(
        x.rows, x.columns,
        [&](std::int64_t r, std::int64_t c) __attribute__((always_inline)) {
            Square square;
            loadSquare(x.data + r * x.stride + c, x.stride, square);
            transpose(square);
            for (int i = 0; i < kSquare; ++i) {
                BFloat16* even = out + 2 * (c + i) * width + r;
                storeLowHalves(square[i] & 0xffffU, even);
                storeLowHalves(square[i] >> 16, even + width);
            }
        },
        [&](std::int64_t r, std::int64_t c) __attribute__((always_inline)) {
            const Pair word = x.data[r * x.stride + c];
            out[2 * c * width + r].bits = static_cast<std::uint16_t>(word);
            out[(2 * c + 1) * width + r].bits = static_cast<std::uint16_t>(word >> 16);
        });
}

/// Zero from column `rows` on.
template <typename T>
void fillUp(std::int64_t rows, std::int64_t columns, std::int64_t width, T* out)
{
    for (std::int64_t c = 0; c < columns; ++c) {
        std::fill(out + c * width + rows, out + (c + 1) * width, T{});
    }
}

Words words(const Rows<float>& x, std::int64_t columns)
{
    return {reinterpret_cast<const Pair*>(x.data), x.stride, x.count, columns};
}

Words words(const Rows<BFloat16>& x, std::int64_t columns)
{
    return {pairs(x.data), x.stride / 2, x.count, columns / 2};
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

template <typename T>
LONGLORA_VECTOR_CLONES void untransposeSquares(const UntransposedRows<T>& args)
{
    const auto factor = [&](std::int64_t r) __attribute__((always_inline))
    {
        return args.factor != nullptr ? args.factor[r] : 1.0F;
    };
    forEachSquare(
        args.columns, args.rows,
        [&](std::int64_t c, std::int64_t r) __attribute__((always_inline)) {
            Square square;
            loadSquare(reinterpret_cast<const Pair*>(args.x + c * args.width + r), args.width,
                       square);
            transpose(square);
            for (int i = 0; i < kSquare; ++i) {
                storeRounded(reinterpret_cast<EightFloats>(square[i]) * factor(r + i),
                             args.out + (r + i) * args.outStride + c);
            }
        },
        [&](std::int64_t c, std::int64_t r) __attribute__((always_inline)) {
            args.out[r * args.outStride + c] =
                fromCompute<T>(factor(r) * args.x[c * args.width + r]);
        });
}

} // namespace

template <>
void pairTransposed(const Rows<BFloat16>& x, std::int64_t columns, std::int64_t width,
                    BFloat16* out)
{
    // Two neighbours of a row of x are a pair: transposed as one element of 32 bits.
    transposeWords(words(x, columns), width, pairs(out));
    fillUp(x.count, columns / 2, width, pairs(out));
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

template <>
void transposeRows(const Rows<float>& x, std::int64_t columns, std::int64_t width, float* out)
{
    transposeWords(words(x, columns), width, reinterpret_cast<Pair*>(out));
    fillUp(x.count, columns, width, out);
}

template <>
void transposeRows(const Rows<BFloat16>& x, std::int64_t columns, std::int64_t width, BFloat16* out)
{
    transposeHalves(words(x, columns), width, out);
    fillUp(x.count, columns, width, out);
}

template <>
void pairTransposed(const Rows<float>& x, std::int64_t columns, std::int64_t width, float* out)
{
    transposeRows(x, columns, width, out);
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
    dots(a, b, columns, out);
}

template <typename T>
void addRows(const float* sums, std::int64_t rows, std::int64_t columns, T* out,
             std::int64_t outStride)
{
    addEach(sums, rows, columns, out, outStride);
}

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
