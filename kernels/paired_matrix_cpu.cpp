// SPDX-License-Identifier: GPL-3.0-or-later
// Layouts: paired_matrix.h.
#include "kernels/bfloat16_pair.h"
#include "kernels/number_types.h"
#include "kernels/paired_matrix.h"
#include "kernels/vector_math.h"

#include <algorithm>

namespace longlora::kernels {

namespace {

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

template void untransposeRows(const UntransposedRows<float>&);
template void untransposeRows(const UntransposedRows<BFloat16>&);

} // namespace longlora::kernels
