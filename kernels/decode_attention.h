// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/tensor_view.h"

#include <cstdint>

namespace longlora::kernels {

/// How cached keys and values are kept. Int8: y = scale code, one scale for each head of each
/// token. Int4: FourBitGroup (kv_quantization.h).
enum class CacheFormat : std::uint8_t { Float32, BFloat16, Float16, Int8, Int4 };

/// Keys or values of some tokens: [kv heads, tokens, head_dim], a head's tokens one after another;
/// Int4: [kv heads, tokens, groups].
struct CachedVectors {
    const void* data = nullptr;
    CacheFormat format = CacheFormat::Float32;
    std::int64_t headTokens = 0;   ///< tokens that a head has room for
    const float* scales = nullptr; ///< [kv heads, headTokens]; for Int8
};

/// Attention of one new token to all that is cached, itself among it:
///
///   out[h] = sum_t softmax_t(q[h] . k[t, h / R] / sqrt(D)) v[t, h / R],  R = heads / kv heads
///
/// Chunks of tokens are worked on side by side, each read once for the R heads that share it, and
/// put together by their log-sum-exp. All arithmetic in fp32; results do not depend on the number
/// of threads.
/// Shapes: q, out [heads, head_dim], contiguous in head_dim; fp32, bf16 or f16. CPU only.
/// Cost: 4 D flops a head and token; what is read are 2 D elements a kv head and token, once.
/// Source: Dao et al. 2023, "Flash-Decoding for long-context inference".
struct DecodeAttention {
    ConstTensorView q;
    CachedVectors keys, values;
    std::int64_t tokens = 0;
    CachedVectors recentKeys{}, recentValues{}; ///< of tokens after those, maybe in another format
    std::int64_t recentTokens = 0;              ///< tokens + recentTokens >= 1
    std::int64_t kvHeads = 0;
    TensorView out;
    Stream stream;
};
/// Throws: KernelError if asked to run on a GPU.
void decodeAttention(const DecodeAttention& args);

} // namespace longlora::kernels
