// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/attention/dense_attention.h"

namespace longlora {

/// Causal attention in which a token sees `window` tokens, itself the last of them (Mistral's
/// sliding window). Queries are the last of the keys. Block by block of queries, so that memory
/// grows with the window and not with the length; the same code on every device, in fp32 (fp64 for
/// fp64) inside.
/// Shapes: q [batch, heads, seq, head_dim], k and v [batch, heads, keys >= seq, head_dim]. Scale
/// 1/sqrt(head_dim). Source: Beltagy et al. 2020 (arXiv:2004.05150), sec. 3.1, causal.
DenseAttentionResult windowedAttention(const at::Tensor& q, const at::Tensor& k,
                                       const at::Tensor& v, std::int64_t window);
DenseAttentionGradients windowedAttentionBackward(const at::Tensor& gradOut, const at::Tensor& q,
                                                  const at::Tensor& k, const at::Tensor& v,
                                                  const DenseAttentionResult& forward,
                                                  std::int64_t window);

} // namespace longlora
