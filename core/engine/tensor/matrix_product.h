// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

namespace longlora {

/// addend + scale left right, without autograd: by kernels/matrix_product where that is faster than
/// LibTorch (many rows in bf16 on a processor with matrix units), else by LibTorch.
/// Shapes: left [m, k], right [k, n], any strides; addend [m, n] or [n], undefined: 0.
struct Product {
    at::Tensor left;
    at::Tensor right;
    at::Tensor addend{};
    double scale = 1.0;
};

/// out [m, n], columns of any row stride; may be the addend, but no factor.
void multiplyInto(at::Tensor& out, const Product& product);
/// A new tensor.
at::Tensor multiplied(const Product& product);

/// Whether kernels/matrix_product takes it, into a bf16 tensor with contiguous rows.
bool isOurs(const Product& product);

} // namespace longlora
