// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/tensor_view.h"

#include <cstdint>

namespace longlora::kernels {

/// A matrix product in bf16 by the CPU's matrix units (AMX):
///
///   out = addend + scale left right
///
/// Shapes: left [m, k], contiguous rows; right [k, n], stride 1 in one of its dimensions; out [m,
/// n] and addend, contiguous rows. addend may be `out`, or one row for all (a bias: stride 0), or
/// have no data. Sums are in fp32, with one rounding at the end; subnormal numbers count as 0.
/// Cost: 2 m n k flops. `right` is packed anew in every call, n k elements, which thousands of rows
/// pay for: frozen weights need no second copy in memory.
struct MatrixProduct {
    ConstTensorView left;
    ConstTensorView right;
    TensorView out;
    ConstTensorView addend{};
    float scale = 1.0F;
    int threads = 1;
};

/// Only where hasMatrixUnits() (matrix_units.h); k > 0.
/// Throws: std::bad_alloc for its scratch of a few MB a thread.
void matrixProduct(const MatrixProduct& args);

} // namespace longlora::kernels
