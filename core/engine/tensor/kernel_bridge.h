// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

namespace longlora {

// The operators of kernels/ on tensors: differentiable, on CPU and CUDA, each one pass over memory
// where LibTorch would make several. Shapes and equations stand in kernels/*.h.

/// x [..., columns] contiguous, weight [columns] of x's dtype -> like x. Keeps 1/rms per row.
at::Tensor fusedRmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon);

/// x [batch, seq, heads, head_dim], cos and sin [seq, rotary_dim / 2] fp32 (fp64) -> like x; of
/// each head the first rotary_dim elements are rotated, the others stay.
at::Tensor fusedRotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

/// silu(gate) up. Shapes: gate and up [..., columns] contiguous -> the same.
at::Tensor fusedSwiglu(const at::Tensor& gate, const at::Tensor& up);

/// Cross-entropy of each row; with `gradientScale` other than 0 the logits become their gradient
/// times it. Shapes: logits [tokens, vocabulary], targets [tokens] int64 (kIgnoredLabel: loss and
/// gradient 0) -> [tokens] fp64. Not differentiable.
at::Tensor fusedCrossEntropy(at::Tensor& logits, const at::Tensor& targets, double gradientScale);

} // namespace longlora
