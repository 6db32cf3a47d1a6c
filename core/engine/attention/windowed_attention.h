// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/attention/dense_attention.h"

namespace longlora {

/// Causal attention in which a token sees `window` tokens, itself the last of them (Mistral's
/// sliding window). Queries are the last of the keys. Block by block of queries, so that memory
/// grows with the window and not with the length; the same code on every device, in fp32 (fp64 for
/// fp64) inside.
/// Shapes: as of denseAttention. Writes `out`, returns the log-sum-exp.
/// Source: Beltagy et al. 2020 (arXiv:2004.05150), sec. 3.1, causal.
at::Tensor windowedAttention(const DenseAttention& args);
void windowedAttentionBackward(const DenseAttention& args, const at::Tensor& logSumExp,
                               const at::Tensor& gradOut, const DenseAttentionGradients& into);

} // namespace longlora
