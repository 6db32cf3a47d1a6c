// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/attention/dense_attention.h"

#include <ATen/core/Tensor.h>

namespace longlora {

/// Attention on the processor, tile by tile, in bf16 and fp32: scores of a tile are all that is
/// ever held of them. Products are LibTorch's small matrix kernels (AMX, AVX-512), everything
/// between them kernels/attention_tile.h; sums are fp32. Scale 1/sqrt(head_dim).
/// Shapes: q, out [batch, heads, seq, head_dim], k and v [batch, heads, keys, head_dim], any
/// strides but a contiguous head_dim; logSumExp [batch, heads, seq] fp32, contiguous. Source: Dao
/// et al. 2022 (arXiv:2205.14135), alg. 1 and 4; its outer loop is over queries here.
struct CpuFlashForward {
    at::Tensor q, k, v;
    at::Tensor out;       ///< written
    at::Tensor logSumExp; ///< written
    KeyVisibility visible;
};
void cpuFlashForward(const CpuFlashForward& args);

/// Shapes: gradOut, dQ like q; dK, dV like k. dQ is written, dK and dV are added to.
struct CpuFlashBackward {
    at::Tensor gradOut, q, k, v, out, logSumExp;
    at::Tensor dQ, dK, dV;
    KeyVisibility visible;
};
void cpuFlashBackward(const CpuFlashBackward& args);

/// Whether this processor has the matrix kernels for tensors like `q`: bf16 or fp32, an even
/// head_dim. (LibTorch's own attention is for the others.)
bool cpuFlashTakes(const at::Tensor& q);

} // namespace longlora
