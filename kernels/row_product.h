// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/tensor_view.h"

namespace longlora::kernels {

/// A matrix times one vector, which is what a new token asks of every weight:
///
///   y[r] = sum_c W[r,c] x[c]
///
/// Shapes: W [rows, columns], stride 1 in columns; x [columns], y [rows], contiguous; one dtype.
/// Sums are in fp32 (fp64), with one rounding at the end. CPU only.
/// Cost per element of W, of b bytes: b read, 2 flops.
struct RowProduct {
    ConstTensorView weight;
    ConstTensorView x;
    TensorView y;
    int threads = 0;
};
void rowProduct(const RowProduct& args);

} // namespace longlora::kernels
