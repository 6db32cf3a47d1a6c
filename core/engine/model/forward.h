// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/attention/attention_layout.h"
#include "core/engine/model/decoder_model.h"

namespace longlora {

/// The whole model without gradients and without a cache, layer by layer, with the model's sliding
/// window.
/// Shapes: ids [batch, seq] int64 -> last hidden states before the final norm [batch, seq, hidden].
at::Tensor forwardHidden(const DecoderModel& model, const at::Tensor& ids,
                         const AttentionSpec& attention);

/// Logits of every position: for short texts and tests. [batch, seq, vocabulary] fp32 (fp64 for
/// fp64).
at::Tensor forwardLogits(const DecoderModel& model, const at::Tensor& ids,
                         const AttentionSpec& attention);

/// Next-token cross-entropy in nats of each scored position, computed in chunks of positions so
/// that the logits never exist whole. Shapes: hidden [tokens, hidden] before the final norm,
/// targets [tokens] int64 (kIgnoredLabel: not scored, loss 0) -> [tokens] fp64.
at::Tensor tokenLosses(const DecoderModel& model, const at::Tensor& hidden,
                       const at::Tensor& targets);

} // namespace longlora
