// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace longlora {

/// What one dense attention call leaves behind for its backward.
struct DenseAttentionResult {
    at::Tensor out;               ///< [batch, heads, seq, head_dim]
    at::Tensor logSumExp;         ///< [batch, heads, seq]
    std::vector<at::Tensor> rest; ///< backend's own
};

struct DenseAttentionGradients {
    at::Tensor q, k, v;
};

/// The fastest dense attention of the device, without autograd. CPU: LibTorch's flash kernel in
/// every floating type. CUDA: FlashAttention-2 in bf16 and f16, memory-efficient in fp32.
/// Shapes: q [batch, heads, seq, head_dim], k and v [batch, heads, keys, head_dim], any strides but
/// a contiguous head_dim. Scale 1/sqrt(head_dim).
/// Throws: DeviceError for fp64 on CUDA, which no kernel there computes.
DenseAttentionResult denseAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    bool causal);
DenseAttentionGradients denseAttentionBackward(const at::Tensor& gradOut, const at::Tensor& q,
                                               const at::Tensor& k, const at::Tensor& v,
                                               const DenseAttentionResult& forward);

} // namespace longlora
