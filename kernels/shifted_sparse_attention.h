// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/tensor_view.h"

#include <cstdint>
#include <vector>

namespace longlora::kernels {

/// How the shifted heads treat the two ends of the sequence.
enum class GroupEdge : std::uint8_t {
    Clipped, ///< half groups at both ends: no token sees a later one
    Circular ///< the roll of the original: the last group joins the tail and the head
};

/// Who sees whom, written down token by token. Deliberately independent of the segments that fast
/// paths compute: this is what they are measured against.
struct AttentionVisibility {
    std::int64_t length = 0; ///< tokens
    std::int64_t group = 0;  ///< tokens, >= 1; not used where `full`
    GroupEdge edge = GroupEdge::Clipped;
    bool full = false; ///< plain causal attention in all heads
    /// For each batch row the first token of each document, ascending from 0; tokens of different
    /// documents do not see each other. Empty: one document a row.
    std::vector<std::vector<std::int64_t>> documentStarts = {};

    /// Whether token `query` of batch row `row` sees token `key`.
    bool visible(std::int64_t row, bool shifted, std::int64_t query, std::int64_t key) const;
};

/// Shifted sparse attention as a dense masked sum: the oracle, not a fast path.
///
///   out[i] = sum_j P[i,j] v[j],  P[i,j] = exp(s[i,j]) / sum_l exp(s[i,l]),  s[i,j] = q[i].k[j] /
///   sqrt(D)
///
/// over the visible j. Of H query heads 0 .. floor(H/2)-1 are plain, the others shifted by
/// floor(group/2); query head h reads kv head h / (H/K).
///
/// Shapes: q, out [batch, seq, H, D], k, v [batch, seq, K, D], K divides H; any dtypes, any
/// strides. All arithmetic in fp64. Cost: 4 seq^2 D flops and 8 seq^2 bytes per head. CPU only.
/// Source: Chen et al. 2024 (arXiv:2309.12307), sec. 3.2.
struct ShiftedSparseAttention {
    ConstTensorView q, k, v;
    TensorView out;
    AttentionVisibility visibility;
    Stream stream;
};

/// Throws: KernelError if asked to run on a GPU.
void shiftedSparseAttentionForward(const ShiftedSparseAttention& args);

/// Its gradients by the closed formula, with dP[i,j] = dOut[i].v[j] and
/// dS[i,j] = P[i,j] (dP[i,j] - sum_l P[i,l] dP[i,l]):
///
///   dV[j] = sum_i P[i,j] dOut[i]   dQ[i] = sum_j dS[i,j] k[j] / sqrt(D)   dK[j] = sum_i dS[i,j]
///   q[i] / sqrt(D)
///
/// dK and dV of a kv head are sums over the query heads that read it. Shapes and cost: dOut, dQ
/// like q; dK, dV like k; 10 seq^2 D flops per head.
struct ShiftedSparseAttentionGradient {
    ConstTensorView q, k, v, dOut;
    TensorView dQ, dK, dV;
    AttentionVisibility visibility;
    Stream stream;
};

/// Throws: KernelError if asked to run on a GPU.
void shiftedSparseAttentionBackward(const ShiftedSparseAttentionGradient& args);

} // namespace longlora::kernels
