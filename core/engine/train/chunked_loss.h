// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/model/decoder_model.h"
#include "core/spec/plan/loss_chunk.h"

#include <ATen/core/Tensor.h>

namespace longlora {

/// Final norm, head and cross-entropy over all positions, in chunks: the logits never exist whole.
struct ChunkedLoss {
    at::Tensor lossSum;        ///< [] fp64, nats over scored tokens
    at::Tensor hiddenGradient; ///< [tokens, hidden] of the last hidden states, before the norm
};
/// Shapes: hidden [tokens, hidden]; targets [tokens]. Gradients are of lossSum x gradientScale;
/// those of final norm and head are added to `gradients` where it has them.
/// Source: chunked like Wijmans et al. 2024 (arXiv:2411.09009), sec. 4, without its sparsity.
ChunkedLoss chunkedLossAndGradient(const DecoderModel& model, const at::Tensor& hidden,
                                   const at::Tensor& targets, double gradientScale,
                                   const DecoderModel& gradients);

} // namespace longlora
