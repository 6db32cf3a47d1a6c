// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/number_types.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace longlora::kernels {

/// C = A B, or C += A B, of a few KB, on one thread by the matrix units: what an algorithm asks for
/// that works in tiles. A TileSession must live, which hasMatrixUnits() allows (matrix_units.h).
/// Shapes: A [rows, inner] row-major, B [inner, columns] paired (paired_matrix.h), C [rows,
/// columns] fp32; all three multiples of 32.
struct TileProduct {
    std::int64_t rows = 0, columns = 0, inner = 0;
    bool adds = false;
    const BFloat16* a = nullptr;
    std::int64_t strideA = 0;
    const BFloat16* b = nullptr;
    float* c = nullptr;
};

/// Products that wait for the matrix units. Vector units are slower at a softmax than matrix units
/// at its products: who computes one calls step() in between, and both are at work.
class TileQueue {
public:
    /// Of a few products. None may need another's result, nor that of the work they go along with.
    void add(const TileProduct& product);
    /// Four products of tiles, if there are any. Defined in tile_queue_step.h, to be inlined.
    void step();
    /// What is left.
    void finish();
    /// How many step() there are.
    std::int64_t steps() const;

private:
    void stepOfShort(const TileProduct& product);
    void stepOfLong(const TileProduct& product);

    static constexpr std::size_t kMost = 5;
    std::array<TileProduct, kMost> m_products;
    std::size_t m_count = 0;
    std::size_t m_current = 0;
    std::int64_t m_row = 0, m_column = 0, m_inner = 0; ///< of the current one's next step
};

} // namespace longlora::kernels
