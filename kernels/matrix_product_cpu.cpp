// SPDX-License-Identifier: GPL-3.0-or-later
// Equation, cost: matrix_product.h. Tested against float64 written out naively.
//
// A task is a block of the result: some panels of 32 columns, all or many of the rows. It packs its
// columns of `right` into tiles that stay in the core's second cache, and passes 32 rows of `left`
// after another over them: four tiles of sums, two of `left`, two of `right`. Long inner dimensions
// are cut, and the sums wait in fp32.
// Instructions: Intel 64 and IA-32 Architectures Software Developer's Manual, vol. 2, TDPBF16PS.
#include "kernels/matrix_product.h"
#include "kernels/parallel_for.h"
#include "kernels/wide_math.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <memory>
#include <new>
#include <stdexcept>

namespace longlora::kernels {

#ifdef LONGLORA_HAS_MATRIX_UNITS

namespace {

constexpr std::int64_t kSums = kBlockEdge * kBlockEdge;

/// What a task packs and, of long inner dimensions, the sums that wait in fp32: a MB of the second
/// cache each.
constexpr std::int64_t kPackedNumbers = 1 << 19;
constexpr std::int64_t kWaitingNumbers = 1 << 18;
constexpr std::int64_t kLongestInner = 2048; ///< longer ones are cut to about the half

constexpr std::int64_t partsOf(std::int64_t count, std::int64_t part)
{
    return (count + part - 1) / part;
}

struct Range {
    std::int64_t begin, end;
    std::int64_t count() const { return end - begin; }
};

/// Part `index` of `parts` of about equal multiples of `unit`.
Range partOf(std::int64_t count, std::int64_t unit, std::int64_t index, std::int64_t parts)
{
    const std::int64_t units = partsOf(count, unit);
    return {std::min(count, units * index / parts * unit),
            std::min(count, units * (index + 1) / parts * unit)};
}

/// How a product falls into tasks.
struct Division {
    std::int64_t m, n, k;
    std::int64_t innerParts, columnParts = 1, rowParts = 1;

    Division(const MatrixProduct& args, std::int64_t threads)
        : m(args.left.sizes[0])
        , n(args.right.sizes[1])
        , k(args.left.sizes[1])
        , innerParts(k <= kLongestInner ? 1 : partsOf(k, kLongestInner / 2))
    {
        columnParts = partsOf(
            n, std::max(kBlockEdge, kPackedNumbers / longestInner() / kBlockEdge * kBlockEdge));
        // More tasks than threads, since one of them may be slower; of at least 512 rows, since
        // each packs. Where there are too few rows, of fewer columns.
        constexpr std::int64_t kFewRows = 512;
        const std::int64_t mostRowParts = std::max<std::int64_t>(1, m / kFewRows);
        columnParts = std::max(
            columnParts, std::min(partsOf(n, kBlockEdge), partsOf(2 * threads, mostRowParts)));
        rowParts = std::clamp<std::int64_t>(partsOf(2 * threads, columnParts), 1, mostRowParts);
        if (innerParts > 1) {
            rowParts = std::max(rowParts, partsOf(m * mostColumns(), kWaitingNumbers));
        }
    }

    std::int64_t tasks() const { return rowParts * columnParts; }
    Range rows(std::int64_t task) const { return partOf(m, kBlockEdge, task % rowParts, rowParts); }
    Range columns(std::int64_t task) const
    {
        return partOf(n, kBlockEdge, task / rowParts, columnParts);
    }
    Range inner(std::int64_t part) const { return partOf(k, kTileInner, part, innerParts); }
    std::int64_t longestInner() const
    {
        return partsOf(partsOf(k, kTileInner), innerParts) * kTileInner;
    }
    std::int64_t mostRows() const { return partsOf(partsOf(m, kBlockEdge), rowParts) * kBlockEdge; }
    std::int64_t mostColumns() const
    {
        return partsOf(partsOf(n, kBlockEdge), columnParts) * kBlockEdge;
    }
};

/// Memory of a thread, kept for its next product.
class Scratch {
public:
    template <typename T>
    T* take(std::int64_t count)
    {
        const std::size_t begin = m_used;
        m_used += partsOf(count * static_cast<std::int64_t>(sizeof(T)), kCacheLine) * kCacheLine;
        return m_memory ? reinterpret_cast<T*>(m_memory.get() + begin) : nullptr;
    }
    void reserve(std::size_t bytes)
    {
        if (bytes > m_size) {
            m_memory.reset();
            m_memory.reset(
                static_cast<std::byte*>(::operator new (bytes, std::align_val_t{kCacheLine})));
            m_size = bytes;
        }
        m_used = 0;
    }
    std::size_t used() const { return m_used; }

private:
    static constexpr std::int64_t kCacheLine = 64;
    struct Free {
        void operator()(std::byte* memory) const
        {
            ::operator delete (memory, std::align_val_t{kCacheLine});
        }
    };
    std::unique_ptr<std::byte, Free> m_memory;
    std::size_t m_size = 0;
    std::size_t m_used = 0;
};

/// Rows of `right` that are contiguous, two by two interleaved: [k, n] to panels of tiles.
LONGLORA_MATRIX_UNITS void packRows(const BFloat16* right, std::int64_t stride, Range inner,
                                    Range columns, BFloat16* packed)
{
    const __m512i first = _mm512_loadu_si512(kTwoVectors.data());
    const __m512i second = _mm512_add_epi16(first, _mm512_set1_epi16(kTileEdge));
    const std::int64_t tiles = partsOf(inner.count(), kTileInner);
    for (std::int64_t pair = 0; pair < tiles * kTileEdge; ++pair) {
        const std::int64_t row = inner.begin + 2 * pair;
        BFloat16* out =
            packed + pair / kTileEdge * 2 * kTileNumbers + pair % kTileEdge * kTileInner;
        for (std::int64_t c = columns.begin; c < columns.end; c += kBlockEdge) {
            const __mmask32 mask = pairsOfLanes(columns.end - c);
            const BFloat16* even = right + row * stride + c;
            const __m512i top = _mm512_maskz_loadu_epi16(row < inner.end ? mask : 0U, even);
            const __m512i bottom =
                _mm512_maskz_loadu_epi16(row + 1 < inner.end ? mask : 0U, even + stride);
            _mm512_store_si512(out, _mm512_permutex2var_epi16(top, first, bottom));
            _mm512_store_si512(out + kTileNumbers, _mm512_permutex2var_epi16(top, second, bottom));
            out += tiles * 2 * kTileNumbers;
        }
    }
}

/// 16 x 16 elements of 32 bits.
LONGLORA_MATRIX_UNITS_INLINE void transpose(__m512i (&rows)[kTileEdge])
{
    __m512i next[kTileEdge];
    for (int i = 0; i < kTileEdge; i += 2) {
        next[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        next[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < kTileEdge; i += 4) {
        for (int j = 0; j < 2; ++j) {
            rows[i + 2 * j] = _mm512_unpacklo_epi64(next[i + j], next[i + j + 2]);
            rows[i + 2 * j + 1] = _mm512_unpackhi_epi64(next[i + j], next[i + j + 2]);
        }
    }
    // Row 4 i + j has column j of the four rows from 4 i on in its first quarter, 4 + j in its
    // second and so on.
    for (int j = 0; j < 4; ++j) {
        for (int i = 0; i < 2; ++i) {
            next[8 * i + j] = _mm512_shuffle_i32x4(rows[8 * i + j], rows[8 * i + 4 + j], 0x88);
            next[8 * i + 4 + j] = _mm512_shuffle_i32x4(rows[8 * i + j], rows[8 * i + 4 + j], 0xdd);
        }
    }
    for (int j = 0; j < 8; ++j) {
        rows[j] = _mm512_shuffle_i32x4(next[j], next[8 + j], 0x88);
        rows[8 + j] = _mm512_shuffle_i32x4(next[j], next[8 + j], 0xdd);
    }
}

/// Columns of `right` that are contiguous: its pairs are words, which are transposed.
LONGLORA_MATRIX_UNITS void packColumns(const BFloat16* right, std::int64_t stride, Range inner,
                                       Range columns, BFloat16* packed)
{
    for (std::int64_t c = columns.begin; c < columns.end; c += kBlockEdge) {
        for (std::int64_t k = inner.begin; k < inner.end; k += kTileInner) {
            const __mmask32 mask = pairsOfLanes(inner.end - k);
            for (std::int64_t half = c; half < c + kBlockEdge; half += kTileEdge) {
                __m512i rows[kTileEdge];
                for (int i = 0; i < kTileEdge; ++i) {
                    rows[i] = _mm512_maskz_loadu_epi16(half + i < columns.end ? mask : 0U,
                                                       right + (half + i) * stride + k);
                }
                transpose(rows);
                for (int i = 0; i < kTileEdge; ++i) {
                    _mm512_store_si512(packed + i * kTileInner, rows[i]);
                }
                packed += kTileNumbers;
            }
        }
    }
}

/// Rows that come next, as many as a panel fetches while it is multiplied.
struct Ahead {
    const BFloat16* data = nullptr;
    std::int64_t stride = 0;
    std::int64_t rows = 0;
};

LONGLORA_MATRIX_UNITS_INLINE void fetch(const Ahead& ahead, std::int64_t tile)
{
    for (std::int64_t r = 0; r < ahead.rows; ++r) {
        _mm_prefetch(ahead.data + r * ahead.stride + tile * kTileInner, _MM_HINT_T1);
    }
}

/// Rows [32, inner] of `left` as the tiles read them.
struct LeftRows {
    const BFloat16* data;
    std::int64_t stride;
    std::int64_t fullTiles;
    const BFloat16* tail; ///< the tile behind them, filled up with 0; nullptr: none
    Ahead next;
};

/// Where a block of the result goes.
struct Target {
    BFloat16* out;
    std::int64_t outStride;
    const BFloat16* addend; ///< nullptr: 0
    std::int64_t addendStride;
    std::int64_t rows, columns;
    float scale;
};

/// A block whose sums are there, but not yet its result: vector units make that while the matrix
/// units are at the next block.
struct Unfinished {
    const float* sums = nullptr;
    Target to{};
    std::int64_t row = 0; ///< the next to be made
};

LONGLORA_MATRIX_UNITS_INLINE void finishRow(Unfinished& block)
{
    const Target& to = block.to;
    const std::int64_t r = block.row++;
    const __mmask32 mask = pairsOfLanes(to.columns);
    const __m512 scale = _mm512_set1_ps(to.scale);
    __m512 first = _mm512_load_ps(block.sums + r * kBlockEdge);
    __m512 second = _mm512_load_ps(block.sums + r * kBlockEdge + kTileEdge);
    if (to.addend != nullptr) {
        const __m512i row = _mm512_maskz_loadu_epi16(mask, to.addend + r * to.addendStride);
        first = _mm512_fmadd_ps(first, scale, lowerWidened(row));
        second = _mm512_fmadd_ps(second, scale, upperWidened(row));
    } else {
        first = _mm512_mul_ps(first, scale);
        second = _mm512_mul_ps(second, scale);
    }
    _mm512_mask_storeu_epi16(to.out + r * to.outStride, mask, rounded(first, second));
}

LONGLORA_MATRIX_UNITS_INLINE void finishRows(Unfinished& block, std::int64_t count)
{
    const std::int64_t end = std::min(block.row + count, block.to.rows);
    while (block.row < end) {
        finishRow(block);
    }
}

LONGLORA_MATRIX_UNITS void finishAll(Unfinished& block)
{
    finishRows(block, kBlockEdge);
}

/// sums [32, 32] of a panel; `continues`: added to what they are.
LONGLORA_MATRIX_UNITS void sumBlock(const LeftRows& left, const BFloat16* panel, bool continues,
                                    float* sums, Unfinished& before)
{
    if (continues) {
        loadTiles(sums, kBlockEdge);
    } else {
        zeroTiles();
    }
    const auto strideBytes = left.stride * static_cast<std::int64_t>(sizeof(BFloat16));
    const std::int64_t rowsAStep = partsOf(kBlockEdge, std::max<std::int64_t>(1, left.fullTiles));
    for (std::int64_t t = 0; t < left.fullTiles; ++t) {
        finishRows(before, rowsAStep);
        fetch(left.next, t);
        multiplyTiles<Reading::Passing>(
            {left.data + t * kTileInner, kTileEdge * left.stride, strideBytes},
            {panel + t * 2 * kTileNumbers, kTileNumbers, kTileRowBytes});
    }
    if (left.tail != nullptr) {
        multiplyTiles<Reading::Passing>(
            {left.tail, kTileNumbers, kTileRowBytes},
            {panel + left.fullTiles * 2 * kTileNumbers, kTileNumbers, kTileRowBytes});
    }
    storeTiles(sums, kBlockEdge);
}

class Worker {
public:
    Worker(const MatrixProduct& args, const Division& division, Scratch& scratch)
        : m_args(args)
        , m_division(division)
        , m_packed(scratch.take<BFloat16>(division.longestInner() * division.mostColumns()))
        , m_edgeRows(scratch.take<BFloat16>(kBlockEdge * division.longestInner()))
        , m_tail(scratch.take<BFloat16>(kBlockEdge * kTileInner))
        , m_sums(scratch.take<float>(
              division.innerParts > 1 ? division.mostRows() * division.mostColumns() : 2 * kSums))
    {}

    void run(std::int64_t task)
    {
        const Range rows = m_division.rows(task), columns = m_division.columns(task);
        for (std::int64_t part = 0; part < m_division.innerParts; ++part) {
            const Range inner = m_division.inner(part);
            pack(inner, columns);
            for (std::int64_t row = rows.begin; row < rows.end; row += kBlockEdge) {
                passRows({row, std::min(row + kBlockEdge, rows.end)},
                         (row - rows.begin) / kBlockEdge, columns, part);
            }
        }
        finishAll(m_unfinished);
    }

private:
    void pack(Range inner, Range columns)
    {
        const ConstTensorView& right = m_args.right;
        const auto* data = static_cast<const BFloat16*>(right.data);
        if (right.strides[1] == 1) {
            packRows(data, right.strides[0], inner, columns, m_packed);
        } else {
            packColumns(data, right.strides[1], inner, columns, m_packed);
        }
    }

    /// Rows of `left` for the tiles: its own memory where that has 32 rows, and a copy of what does
    /// not fill a tile.
    LeftRows leftRows(Range rows, Range inner)
    {
        const ConstTensorView& left = m_args.left;
        const std::int64_t tiles = inner.count() / kTileInner, rest = inner.count() % kTileInner;
        const BFloat16* data = left.row<BFloat16>(rows.begin) + inner.begin;
        LeftRows result{data, left.strides[0], tiles, nullptr, {}};
        if (rest > 0) {
            copyRows(data + tiles * kTileInner, rows.count(), rest, m_tail, kTileInner);
            result.tail = m_tail;
        }
        if (rows.count() < kBlockEdge) {
            copyRows(data, rows.count(), tiles * kTileInner, m_edgeRows, tiles * kTileInner);
            result.data = m_edgeRows;
            result.stride = tiles * kTileInner;
        }
        std::atomic_signal_fence(std::memory_order_seq_cst); // tiles are read behind the compiler
        return result;
    }

    /// Into [32, width], filled up with 0.
    void copyRows(const BFloat16* from, std::int64_t rows, std::int64_t columns, BFloat16* to,
                  std::int64_t width) const
    {
        for (std::int64_t r = 0; r < kBlockEdge; ++r) {
            BFloat16* row = to + r * width;
            const std::int64_t count = r < rows ? columns : 0;
            std::copy_n(from + (r < rows ? r : 0) * m_args.left.strides[0], count, row);
            std::fill(row + count, row + width, BFloat16{});
        }
    }

    /// The part of the rows behind `rows` that one of several panels fetches.
    Ahead ahead(Range rows, Range inner, Range part) const
    {
        const Range next{rows.end + part.begin, std::min(rows.end + part.end, m_division.m)};
        if (next.count() <= 0) {
            return {};
        }
        return {m_args.left.row<BFloat16>(next.begin) + inner.begin, m_args.left.strides[0],
                next.count()};
    }

    void passRows(Range rows, std::int64_t rowBlock, Range columns, std::int64_t part)
    {
        const Range inner = m_division.inner(part);
        LeftRows left = leftRows(rows, inner);
        const std::int64_t tiles = partsOf(inner.count(), kTileInner);
        const bool waits = m_division.innerParts > 1;
        const std::int64_t panels = partsOf(columns.count(), kBlockEdge);
        for (std::int64_t p = 0; p < panels; ++p) {
            left.next =
                ahead(rows, inner, {kBlockEdge * p / panels, kBlockEdge * (p + 1) / panels});
            m_odd = !m_odd;
            float* sums = m_sums + (waits ? (rowBlock * panels + p) * kSums : m_odd ? kSums : 0);
            sumBlock(left, m_packed + p * tiles * 2 * kTileNumbers, part > 0, sums, m_unfinished);
            if (part + 1 == m_division.innerParts) {
                finishAll(m_unfinished);
                m_unfinished = {sums, target(rows, {columns.begin + p * kBlockEdge, columns.end})};
            }
        }
    }

    Target target(Range rows, Range columns) const
    {
        const TensorView& out = m_args.out;
        const ConstTensorView& addend = m_args.addend;
        const BFloat16* added =
            addend.data != nullptr ? addend.row<BFloat16>(rows.begin) + columns.begin : nullptr;
        return {out.row<BFloat16>(rows.begin) + columns.begin,
                out.strides[0],
                added,
                addend.strides[0],
                rows.count(),
                columns.count(),
                m_args.scale};
    }

    const MatrixProduct& m_args;
    const Division& m_division;
    BFloat16* m_packed;   // panels [inner tiles, 2, 16, 16, 2]
    BFloat16* m_edgeRows; // [32, inner]
    BFloat16* m_tail;     // [32, 32]
    float* m_sums;        // blocks [32, 32]
    bool m_odd = false;
    Unfinished m_unfinished;
};

LONGLORA_MATRIX_UNITS void work(const MatrixProduct& args, const Division& division,
                                std::atomic<std::int64_t>& next)
{
    thread_local Scratch scratch;
    Scratch size;
    Worker(args, division, size);
    scratch.reserve(size.used());
    Worker worker(args, division, scratch);
    const TileSession session;
    for (std::int64_t task = next++; task < division.tasks(); task = next++) {
        worker.run(task);
    }
}

} // namespace

void matrixProduct(const MatrixProduct& args)
{
    assert(args.left.strides[1] == 1 && args.out.strides[1] == 1);
    assert(args.right.strides[0] == 1 || args.right.strides[1] == 1);
    if (args.out.sizes[0] == 0 || args.out.sizes[1] == 0) {
        return;
    }
    const Division division(args, args.threads);
    std::atomic<std::int64_t> next{0};
    parallelFor(std::min<std::int64_t>(args.threads, division.tasks()), 1, args.threads,
                [&](std::int64_t, std::int64_t) { work(args, division, next); });
}

#else

void matrixProduct(const MatrixProduct&)
{
    throw std::logic_error("matrixProduct: this processor has no matrix units");
}

#endif

} // namespace longlora::kernels
