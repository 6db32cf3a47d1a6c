// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace longlora {

/// Which keys a query sees: query i those at or before firstQuery + i, at most `window` of them.
struct KeyVisibility {
    std::int64_t firstQuery = 0; ///< position of query 0 among the keys
    std::int64_t window = 0;     ///< 0: no limit
};

/// What one dense attention call leaves behind for its backward, beside its result.
struct DenseAttentionKept {
    at::Tensor logSumExp;         ///< [batch, heads, seq] fp32 (fp64 for fp64)
    std::vector<at::Tensor> rest; ///< backend's own
};

struct DenseAttentionGradients {
    at::Tensor q, k, v;
};

/// Attention of the queries `q` to the keys they see, into `out`, without autograd, by the fastest
/// way the device has. CPU: cpuFlashForward, else LibTorch's kernel. CUDA: FlashAttention-2 in bf16
/// and f16, memory-efficient in fp32. Windows there, and in fp64: windowedAttention.
/// Shapes: q and out [batch, heads, seq, head_dim], k and v [batch, heads, keys, head_dim], any
/// strides but a contiguous head_dim. Scale 1/sqrt(head_dim).
/// Without a window either all queries are keys too (firstQuery 0), or they see every key
/// (firstQuery >= keys - 1); with one they are the last of the keys.
/// Throws: DeviceError for fp64 on CUDA, which no kernel there computes.
struct DenseAttention {
    at::Tensor q, k, v;
    at::Tensor out;
    KeyVisibility visible;
};
DenseAttentionKept denseAttention(const DenseAttention& args);

/// The gradients that gradOut [like out] gives: that of q is written `into` its tensor, those of k
/// and v are added to theirs.
void denseAttentionBackward(const DenseAttention& args, const DenseAttentionKept& kept,
                            const at::Tensor& gradOut, const DenseAttentionGradients& into);

} // namespace longlora
