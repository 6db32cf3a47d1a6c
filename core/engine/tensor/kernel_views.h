// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/tensor_view.h"

#include <ATen/core/Tensor.h>

namespace longlora {

// Tensors as kernels/ takes them.

kernels::TensorView kernelView(const at::Tensor& x);
/// [..., columns], contiguous, as [rows, columns].
kernels::TensorView kernelRows(const at::Tensor& x);
/// The device of `x`, its current stream, and all threads.
kernels::Stream kernelStream(const at::Tensor& x);

} // namespace longlora
