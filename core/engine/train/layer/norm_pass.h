// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/model/decoder_model.h"

namespace longlora {

/// A normalised tensor and what the gradient needs beside the input.
struct NormPass {
    at::Tensor y;
    at::Tensor mean;    ///< NormKind::Layer only
    at::Tensor inverse; ///< 1 / deviation, or 1 / rms
};

/// The config's kind of norm, without autograd. Shapes: x [tokens, width] contiguous.
NormPass normPassForward(const Norm& norm, const ModelConfig& config, const at::Tensor& x);

/// `gradient` of y becomes that of x; those of the norm are added to `gradients`, whose undefined
/// tensors are not trained.
void normPassBackward(const Norm& norm, const Norm& gradients, const at::Tensor& x,
                      const NormPass& pass, at::Tensor& gradient);

} // namespace longlora
