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
/// Shapes: q, out [heads, head_dim], contiguous in head_dim; fp32, bf16 or f16.
/// Cost: 4 D flops a head and token; what is read are 2 D elements a kv head and token, once.
/// Source: Dao et al. 2023, "Flash-Decoding for long-context inference".
struct DecodeAttention {
    ConstTensorView q{};
    CachedVectors keys{}, values{};
    std::int64_t tokens = 0;
    CachedVectors recentKeys{}, recentValues{}; ///< of tokens after those, maybe in another format
    std::int64_t recentTokens = 0;              ///< tokens + recentTokens >= 1
    std::int64_t kvHeads = 0;
    TensorView out{};
    /// Position of the new token, in the memory of the device: a graph of CUDA that was captured
    /// once serves every position. It sees what is up to it, no more than `window` tokens; `tokens`
    /// is then the room there is, and there are no recent ones. nullptr: it sees all of `tokens`.
    const std::int64_t* newest = nullptr;
    std::int64_t window = 0;    ///< with newest; 0: no limit
    float* workspace = nullptr; ///< of decodeWorkspace() numbers, on a GPU
    Stream stream{};
};
/// Throws: KernelError if the device cannot run it.
void decodeAttention(const DecodeAttention& args);

inline constexpr std::int64_t kDecodeChunkTokens = 256; ///< on a GPU

constexpr std::int64_t decodeChunks(std::int64_t tokens)
{
    return (tokens + kDecodeChunkTokens - 1) / kDecodeChunkTokens;
}

/// Numbers that a call on a GPU keeps between its parts: the queries, and sums of every chunk.
constexpr std::int64_t decodeWorkspace(std::int64_t heads, std::int64_t headDim,
                                       std::int64_t tokens, std::int64_t recentTokens)
{
    return heads * (headDim + (decodeChunks(tokens) + decodeChunks(recentTokens)) * (headDim + 2));
}

namespace cuda {
/// The CUDA form, for the function above to call.
void decodeAttention(const DecodeAttention& args);
} // namespace cuda

} // namespace longlora::kernels
