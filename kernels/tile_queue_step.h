// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/matrix_units.h"
#include "kernels/tile_product.h"

#ifdef LONGLORA_HAS_MATRIX_UNITS

namespace longlora::kernels {

/// Sixteen rows and 32 columns of a product whose inner dimension is 64: its part of B stays in
/// tiles 4 to 7 while the rows pass, which halves what is loaded.
LONGLORA_MATRIX_UNITS_INLINE void TileQueue::stepOfShort(const TileProduct& product)
{
    constexpr auto kNumberBytes = static_cast<std::int64_t>(sizeof(BFloat16));
    const std::int64_t columns = product.columns;
    if (m_row == 0) {
        const std::int64_t bytes = 2 * columns * kNumberBytes; // a paired row is two of B's
        const BFloat16* right = product.b + 2 * m_column;
        const BFloat16* lower = right + kTileInner * columns;
        _tile_loadd(4, right, bytes);
        _tile_loadd(5, right + kTileInner, bytes);
        _tile_loadd(6, lower, bytes);
        _tile_loadd(7, lower + kTileInner, bytes);
    }
    const BFloat16* left = product.a + m_row * product.strideA;
    _tile_loadd(2, left, product.strideA * kNumberBytes);
    _tile_loadd(3, left + kTileInner, product.strideA * kNumberBytes);
    float* const sums = product.c + m_row * columns + m_column;
    const auto sumBytes = columns * static_cast<std::int64_t>(sizeof(float));
    if (product.adds) {
        _tile_loadd(0, sums, sumBytes);
        _tile_loadd(1, sums + kTileEdge, sumBytes);
    } else {
        _tile_zero(0);
        _tile_zero(1);
    }
    _tile_dpbf16ps(0, 2, 4);
    _tile_dpbf16ps(1, 2, 5);
    _tile_dpbf16ps(0, 3, 6);
    _tile_dpbf16ps(1, 3, 7);
    _tile_stored(0, sums, sumBytes);
    _tile_stored(1, sums + kTileEdge, sumBytes);
    m_row += kTileEdge;
    if (m_row == product.rows) {
        m_row = 0;
        m_column += kBlockEdge;
    }
    if (m_column == columns) {
        m_column = 0;
        ++m_current;
    }
}

/// 32 rows and columns, 32 of the inner dimension.
LONGLORA_MATRIX_UNITS_INLINE void TileQueue::stepOfLong(const TileProduct& product)
{
    constexpr auto kNumberBytes = static_cast<std::int64_t>(sizeof(BFloat16));
    const std::int64_t columns = product.columns, strideA = product.strideA;
    float* const sums = product.c + m_row * columns + m_column;
    if (m_inner == 0 && product.adds) {
        loadTiles(sums, columns);
    } else if (m_inner == 0) {
        zeroTiles();
    }
    multiplyTiles(
        {product.a + m_row * strideA + m_inner, kTileEdge * strideA, strideA * kNumberBytes},
        {product.b + m_inner * columns + 2 * m_column, kTileInner, 2 * columns * kNumberBytes});
    m_inner += kTileInner;
    if (m_inner < product.inner) {
        return;
    }
    storeTiles(sums, columns);
    m_inner = 0;
    m_column += kBlockEdge;
    if (m_column == columns) {
        m_column = 0;
        m_row += kBlockEdge;
    }
    if (m_row == product.rows) {
        m_row = 0;
        ++m_current;
    }
}

LONGLORA_MATRIX_UNITS_INLINE void TileQueue::step()
{
    if (m_current == m_count) {
        return;
    }
    const TileProduct& product = m_products[m_current];
    if (product.inner == 2 * kTileInner) {
        stepOfShort(product);
    } else {
        stepOfLong(product);
    }
}

} // namespace longlora::kernels

#endif
