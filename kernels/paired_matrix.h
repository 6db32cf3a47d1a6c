// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>

namespace longlora::kernels {

// Matrices as the matrix units of a CPU take them, on one thread. T is float or BFloat16.
//
// A "paired" matrix [rows, columns] is their right operand: for BFloat16 rows 2r and 2r + 1 stand
// interleaved, [rows / 2, columns, 2]; for float it is the plain matrix.

/// Rows of T, `stride` elements apart.
template <typename T>
struct Rows {
    const T* data = nullptr;
    std::int64_t stride = 0;
    std::int64_t count = 0;
};

/// x^T as a paired matrix [columns, width]; queries from x.count on are 0.
template <typename T>
void pairTransposed(const Rows<T>& x, std::int64_t columns, std::int64_t width, T* out);

/// x as a paired matrix [height, columns]; rows from x.count on are 0.
template <typename T>
void pairRows(const Rows<T>& x, std::int64_t columns, std::int64_t height, T* out);

/// x^T, row-major [columns, width]; 0 from x.count on.
template <typename T>
void transposeRows(const Rows<T>& x, std::int64_t columns, std::int64_t width, T* out);

/// out[r, c] = factor[r] x^T[r, c] with x [columns, width] fp32, rounded to T. Rows of `out` are
/// `outStride` apart, `rows` of them.
template <typename T>
struct UntransposedRows {
    const float* x = nullptr;
    std::int64_t width = 0;
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    const float* factor = nullptr; ///< nullptr: 1
    T* out = nullptr;
    std::int64_t outStride = 0;
};
template <typename T>
void untransposeRows(const UntransposedRows<T>& args);

} // namespace longlora::kernels
