// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/model/lora.h"

namespace longlora {

/// y = residual + x W^T + bias + scale (x A^T) B^T, without autograd.
/// Shapes: x [tokens, in]; y and residual [tokens, out], rows of any stride; residual
/// undefined: 0; y may be residual.
void linearForward(const LoraLinear& linear, const at::Tensor& x, const at::Tensor& residual,
                   at::Tensor& y);

/// The gradient of x, and those of what is trained. `gradients` has the shape of `linear`; its
/// undefined tensors are not trained.
///
///   dX = dY W + scale (dY B) A
///   dW += dY^T x,  dBias += sum dY,  dA += scale (dY B)^T x,  dB += scale dY^T (x A^T)
///
/// Shapes: x [tokens, in], undefined where readsInput() is false; dY [tokens, out]; dX [tokens, in]
/// is added to with `accumulates`, else written.
/// Source: Hu et al. 2021 (arXiv:2106.09685), eq. 3, differentiated.
struct LinearBackward {
    const LoraLinear& linear;
    const LoraLinear& gradients;
    at::Tensor x;
    at::Tensor dY;
    bool accumulates = false;
};
void linearBackward(const LinearBackward& pass, at::Tensor& dX);

/// Gradients of a pair, from those of what its matrices made.
///
///   dA += scale dHidden^T x,  dB += scale dY^T hidden
///
/// Shapes: sum like A [rank, in] or B [out, rank], fp32 (fp64); dHidden and hidden [tokens, rank].
void addGradientOfA(const at::Tensor& sum, const at::Tensor& dHidden, const at::Tensor& x,
                    double scale);
void addGradientOfB(const at::Tensor& sum, const at::Tensor& dY, const at::Tensor& hidden,
                    double scale);

/// Whether the backward needs the map's input: only then something of it is trained.
bool readsInput(const LoraLinear& gradients);

} // namespace longlora
