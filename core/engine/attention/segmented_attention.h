// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/attention/attention_layout.h"
#include "core/engine/attention/dense_attention.h"

#include <ATen/core/Tensor.h>

#include <vector>

namespace longlora {

/// Causal attention inside segments: full attention and S2-Attn are both this, with different
/// layouts. Each run of segments is one dense causal call on strided views of q, k and v: no roll,
/// no index copy, no mask, no repeated K and V (query heads that share a kv head are called apart).
/// Shapes: q [batch, seq, heads, head_dim], k and v [batch, seq, kv heads, head_dim], contiguous in
/// head_dim; result like q, contiguous. Scale 1/sqrt(head_dim). Differentiable.
/// Source: Chen et al. 2024 (arXiv:2309.12307), sec. 3.2.
at::Tensor segmentedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              const AttentionLayout& layout);

/// The same without autograd, for passes that are written by hand.
struct SegmentedAttention {
    at::Tensor out; ///< like q, contiguous
    /// Of each dense call what its backward needs beside its inputs and its part of `out`.
    std::vector<DenseAttentionKept> calls;
};
SegmentedAttention segmentedAttentionForward(const at::Tensor& q, const at::Tensor& k,
                                             const at::Tensor& v, const AttentionLayout& layout);

struct SegmentedAttentionInputs {
    at::Tensor q, k, v;
    at::Tensor gradOut; ///< like q, contiguous
};
/// Writes the gradients of q, k and v `into` tensors of their shapes, contiguous in head_dim; batch
/// rows lie one after another (slices of a fused projection will do).
void segmentedAttentionBackward(const SegmentedAttentionInputs& inputs,
                                const SegmentedAttention& forward, const AttentionLayout& layout,
                                const DenseAttentionGradients& into);

/// Result and log-sum-exp of one dense call, not differentiable: the piece that cached generation
/// combines. Shapes: q [1, seq, heads, head_dim], k and v [1, keys, kv heads, head_dim]; out like
/// q, logSumExp [1, heads, seq] fp32. What may be visible: as for denseAttention.
struct AttentionPart {
    at::Tensor out;
    at::Tensor logSumExp;
};
AttentionPart attendDense(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const KeyVisibility& visible);

} // namespace longlora
