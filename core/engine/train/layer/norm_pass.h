// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/model/decoder_model.h"
#include "core/engine/tensor/rows_with_room.h"

namespace longlora {

/// A normalised tensor and what the gradient needs beside the input.
struct NormPass {
    RowsWithRoom y;
    at::Tensor mean;    ///< NormKind::Layer only
    at::Tensor inverse; ///< 1 / deviation, or 1 / rms
};

/// The config's kind of norm, without autograd. Shapes: x [tokens, width] contiguous; y the same,
/// with so much room.
NormPass normPassForward(const Norm& norm, const ModelConfig& config, const at::Tensor& x,
                         std::int64_t room);

/// `gradient` of y becomes that of x; those of the norm are added to `gradients`, whose undefined
/// tensors are not trained.
void normPassBackward(const Norm& norm, const Norm& gradients, const at::Tensor& x,
                      const NormPass& pass, at::Tensor& gradient);

} // namespace longlora
