// SPDX-License-Identifier: GPL-3.0-or-later
// Equation, cost: row_product.h. Tested against float64 written out naively.
//
// Memory is the limit where rows are read side by side: each is a stream of its own, and their sums
// do not wait for each other.
#include "kernels/dispatch.h"
#include "kernels/parallel_for.h"
#include "kernels/row_product.h"
#include "kernels/vector_math.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <type_traits>
#include <vector>

namespace longlora::kernels {

namespace {

constexpr std::int64_t kRowsTogether = 4;

template <typename T>
LONGLORA_VECTOR_CLONES void fourRows(const T* weight, std::int64_t stride, const Compute<T>* x,
                                     std::int64_t columns, Compute<T>* sums)
{
    const T* const first = weight;
    const T* const second = first + stride;
    const T* const third = second + stride;
    const T* const fourth = third + stride;
    Compute<T> a = 0, b = 0, c = 0, d = 0;
#pragma omp simd reduction(+ : a, b, c, d)
    for (std::int64_t i = 0; i < columns; ++i) {
        a += toCompute(first[i]) * x[i];
        b += toCompute(second[i]) * x[i];
        c += toCompute(third[i]) * x[i];
        d += toCompute(fourth[i]) * x[i];
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

static_assert(std::endian::native == std::endian::little);

/// Two bf16 as one word, whose halves become floats by one instruction each.
using PairAnywhere [[gnu::aligned(2), gnu::may_alias]] = std::uint32_t;

[[gnu::always_inline]] inline const PairAnywhere* pairs(const BFloat16* row)
{
    return reinterpret_cast<const PairAnywhere*>(row);
}

[[gnu::always_inline]] inline float lower(std::uint32_t pair)
{
    return __builtin_bit_cast(float, pair << 16);
}

[[gnu::always_inline]] inline float upper(std::uint32_t pair)
{
    return __builtin_bit_cast(float, pair & 0xffff0000U);
}

/// The same of pairs of bf16; `even` and `odd` are x by turns.
LONGLORA_VECTOR_CLONES void fourRowsOfPairs(const BFloat16* weight, std::int64_t stride,
                                            const float* even, const float* odd, std::int64_t count,
                                            float* sums)
{
    const PairAnywhere* const first = pairs(weight);
    const PairAnywhere* const second = pairs(weight + stride);
    const PairAnywhere* const third = pairs(weight + 2 * stride);
    const PairAnywhere* const fourth = pairs(weight + 3 * stride);
    float a = 0, b = 0, c = 0, d = 0;
#pragma omp simd reduction(+ : a, b, c, d)
    for (std::int64_t i = 0; i < count; ++i) {
        a += lower(first[i]) * even[i] + upper(first[i]) * odd[i];
        b += lower(second[i]) * even[i] + upper(second[i]) * odd[i];
        c += lower(third[i]) * even[i] + upper(third[i]) * odd[i];
        d += lower(fourth[i]) * even[i] + upper(fourth[i]) * odd[i];
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

/// x widened; of bf16, numbers at even places first, those at odd ones behind them, and a last one
/// without partner.
template <typename T>
class Vector {
public:
    explicit Vector(const RowProduct& args)
        : m_columns(args.weight.sizes[1])
        , m_numbers(static_cast<std::size_t>(m_columns))
    {
        const T* const x = static_cast<const T*>(args.x.data);
        for (std::int64_t i = 0; i < m_columns; ++i) {
            const std::int64_t place =
                kByPairs && i < 2 * pairCount() ? i / 2 + i % 2 * pairCount() : i;
            m_numbers[static_cast<std::size_t>(place)] = toCompute(x[i]);
        }
    }

    /// With kRowsTogether rows.
    void multiply(const T* weight, std::int64_t stride, Compute<T>* sums) const
    {
        const Compute<T>* const x = m_numbers.data();
        if constexpr (kByPairs) {
            fourRowsOfPairs(weight, stride, x, x + pairCount(), pairCount(), sums);
            for (std::int64_t row = 0; m_columns % 2 != 0 && row < kRowsTogether; ++row) {
                sums[row] += toCompute(weight[row * stride + m_columns - 1]) * x[m_columns - 1];
            }
        } else {
            fourRows(weight, stride, x, m_columns, sums);
        }
    }

private:
    static constexpr bool kByPairs = std::is_same_v<T, BFloat16>;
    std::int64_t pairCount() const { return m_columns / 2; }

    std::int64_t m_columns;
    std::vector<Compute<T>> m_numbers;
};

/// Rows [begin, end), in fours; of what is left, each row four times.
template <typename T>
void productOfRows(const RowProduct& args, const Vector<T>& x, std::int64_t begin, std::int64_t end)
{
    T* const y = static_cast<T*>(args.y.data);
    Compute<T> sums[kRowsTogether];
    std::int64_t row = begin;
    while (row < end) {
        const bool areFour = row + kRowsTogether <= end;
        x.multiply(args.weight.row<T>(row), areFour ? args.weight.strides[0] : 0, sums);
        const std::int64_t made = areFour ? kRowsTogether : 1;
        for (std::int64_t i = 0; i < made; ++i) {
            y[row + i] = fromCompute<T>(sums[i]);
        }
        row += made;
    }
}

} // namespace

void rowProduct(const RowProduct& args)
{
    assert(args.weight.rank == 2 && args.weight.strides[1] == 1);
    const std::int64_t rows = args.weight.sizes[0];
    const std::int64_t columns = args.weight.sizes[1];
    const std::int64_t parts = (rows + kRowsTogether - 1) / kRowsTogether;
    dispatch(args.weight.dtype, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        const Vector<T> x(args);
        parallelFor(parts, rowGrain(columns * kRowsTogether), args.threads,
                    [&](std::int64_t begin, std::int64_t end) {
                        productOfRows<T>(args, x, begin * kRowsTogether,
                                         std::min(end * kRowsTogether, rows));
                    });
    });
}

} // namespace longlora::kernels
