// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

namespace longlora {

// The operators of kernels/ on tensors: differentiable, on CPU and CUDA, each one pass over memory
// where LibTorch would make several. Shapes and equations stand in kernels/*.h.

/// x [..., columns] contiguous, weight [columns] of x's dtype -> like x. Keeps 1/rms per row.
at::Tensor fusedRmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon);

/// x W^T + bias. Shapes: x [..., in], W [out, in], bias [out] or undefined -> [..., out]. One row
/// of 16 bits on a processor, without gradients, is read as fast as memory gives W.
at::Tensor fusedLinear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

/// x [batch, seq, heads, head_dim], cos and sin [seq, rotary_dim / 2] fp32 (fp64) -> like x; of
/// each head the first rotary_dim elements are rotated, the others stay.
at::Tensor fusedRotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

/// silu(gate) up. Shapes: gate and up [..., columns] contiguous -> the same.
at::Tensor fusedSwiglu(const at::Tensor& gate, const at::Tensor& up);

/// Cross-entropy of each row; with `gradientScale` other than 0 the logits become their gradient
/// times it. Shapes: logits [tokens, vocabulary], targets [tokens] int64 (kIgnoredLabel: loss and
/// gradient 0) -> [tokens] fp64. Not differentiable.
at::Tensor fusedCrossEntropy(at::Tensor& logits, const at::Tensor& targets, double gradientScale);

// The same without autograd, for passes whose gradients are written by hand.

struct RmsNormed {
    at::Tensor y;
    at::Tensor inverseRms; ///< one per row, fp32 (fp64 for fp64)
};
RmsNormed rmsNormForward(const at::Tensor& x, const at::Tensor& weight, double epsilon);
/// Into y, and returns inverseRms. Shapes: x and y [rows, columns], rows of any stride.
at::Tensor rmsNormRows(const at::Tensor& x, const at::Tensor& weight, double epsilon,
                       at::Tensor& y);
/// `gradient` of y becomes that of x; the weight's is added to `dWeight` [columns] fp32 (fp64) if
/// that is defined.
void rmsNormBackward(at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                     const at::Tensor& inverseRms, const at::Tensor& dWeight);

/// In place. Shapes: x [batch, seq, heads, head_dim], contiguous in head_dim.
void rotateForward(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);
/// A gradient of what rotateForward made becomes that of what it was given.
void rotateBackward(at::Tensor& gradient, const at::Tensor& cos, const at::Tensor& sin);

/// sum[rows[t]] += gradient[t] for every token t. Shapes: sum [any, d] fp32 (fp64), gradient
/// [tokens, d], rows [tokens] int64, each a row of sum.
void addToRows(const at::Tensor& sum, const at::Tensor& rows, const at::Tensor& gradient);

/// `y` may be gate or up.
void swigluForward(const at::Tensor& gate, const at::Tensor& up, at::Tensor& y);
/// `gate` and `up` become their gradients.
void swigluBackward(at::Tensor& gate, at::Tensor& up, const at::Tensor& dY);

} // namespace longlora
