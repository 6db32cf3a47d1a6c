// SPDX-License-Identifier: GPL-3.0-or-later
// Equation, cost: decode_attention.h. Tested against float64 written out naively.
// Shapes: R query heads that share a kv head, D head_dim, C tokens of a chunk.
#include "kernels/decode_attention.h"
#include "kernels/dispatch.h"
#include "kernels/parallel_for.h"
#include "kernels/vector_math.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <vector>

namespace longlora::kernels {

namespace {

/// Enough work for a thread, few enough that the scores of several heads stay in the first cache.
constexpr std::int64_t kChunkTokens = 256;

using kernels::toCompute; // of the other types

[[gnu::always_inline]] inline float toCompute(std::int8_t code)
{
    return static_cast<float>(code);
}

/// Keys or values of one kv head from some token on.
template <typename T>
struct HeadVectors {
    const T* data;
    std::int64_t tokenStride;
    const float* scales; ///< `scaleStride` apart; nullptr: 1
    std::int64_t scaleStride;

    float scale(std::int64_t token) const
    {
        return scales != nullptr ? scales[token * scaleStride] : 1.0F;
    }
};

/// A chunk's part of the result of R heads.
struct Partial {
    float* out; ///< [R, D], not divided by the sum
    float* maximum;
    float* sum;
};

struct ChunkShape {
    std::int64_t heads, headDim, tokens; ///< R, D, C
};

/// scores[r, t] = q[r] . k[t], times the key's scale; `wide` is scratch [D].
template <typename T>
LONGLORA_VECTOR_CLONES void scoreChunk(const ChunkShape& shape, const float* q,
                                       const HeadVectors<T>& keys, float* wide, float* scores)
{
    for (std::int64_t t = 0; t < shape.tokens; ++t) {
        const T* key = keys.data + t * keys.tokenStride;
        const float scale = keys.scale(t);
#pragma omp simd
        for (std::int64_t d = 0; d < shape.headDim; ++d) {
            wide[d] = toCompute(key[d]);
        }
        for (std::int64_t r = 0; r < shape.heads; ++r) {
            const float* query = q + r * shape.headDim;
            float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
            for (std::int64_t d = 0; d < shape.headDim; ++d) {
                sum += query[d] * wide[d];
            }
            scores[r * kChunkTokens + t] = scale * sum;
        }
    }
}

/// Scores of one head become exp2(score - maximum).
LONGLORA_VECTOR_CLONES void shareChunk(float* scores, std::int64_t tokens, float* maximum,
                                       float* sum)
{
    float highest = std::numeric_limits<float>::lowest();
#pragma omp simd reduction(max : highest)
    for (std::int64_t t = 0; t < tokens; ++t) {
        highest = scores[t] > highest ? scores[t] : highest;
    }
    float total = 0.0F;
#pragma omp simd reduction(+ : total)
    for (std::int64_t t = 0; t < tokens; ++t) {
        scores[t] = exp2OfNegative(scores[t] - highest);
        total += scores[t];
    }
    *maximum = highest;
    *sum = total;
}

/// out[r] = sum_t share[r, t] v[t].
template <typename T>
LONGLORA_VECTOR_CLONES void sumChunk(const ChunkShape& shape, const float* shares,
                                     const HeadVectors<T>& values, float* wide, float* out)
{
    std::fill_n(out, shape.heads * shape.headDim, 0.0F);
    for (std::int64_t t = 0; t < shape.tokens; ++t) {
        const T* value = values.data + t * values.tokenStride;
        const float scale = values.scale(t);
#pragma omp simd
        for (std::int64_t d = 0; d < shape.headDim; ++d) {
            wide[d] = scale * toCompute(value[d]);
        }
        for (std::int64_t r = 0; r < shape.heads; ++r) {
            const float share = shares[r * kChunkTokens + t];
            float* sum = out + r * shape.headDim;
#pragma omp simd
            for (std::int64_t d = 0; d < shape.headDim; ++d) {
                sum[d] += share * wide[d];
            }
        }
    }
}

/// Everything of one call, in fp32.
class Decoding {
public:
    explicit Decoding(const DecodeAttention& args)
        : m_args(args)
        , m_headDim(args.q.sizes[1])
        , m_shared(args.q.sizes[0] / args.kvHeads)
        , m_chunks((args.tokens + kChunkTokens - 1) / kChunkTokens)
        , m_q(static_cast<std::size_t>(args.q.sizes[0] * m_headDim))
        , m_partials(static_cast<std::size_t>(args.kvHeads * m_chunks * partialSize()))
    {
        // Scores come out as exponents of 2.
        const float scale = kLog2E / std::sqrt(static_cast<float>(m_headDim));
        dispatch(args.q.dtype, [&]<typename T>(TypeTag<T>) {
            for (std::int64_t h = 0; h < args.q.sizes[0]; ++h) {
                for (std::int64_t d = 0; d < m_headDim; ++d) {
                    const auto x = static_cast<float>(toCompute(args.q.template row<T>(h)[d]));
                    m_q[static_cast<std::size_t>(h * m_headDim + d)] = scale * x;
                }
            }
        });
    }

    std::int64_t tasks() const { return m_args.kvHeads * m_chunks; }

    void attend(std::int64_t task)
    {
        switch (m_args.keys.format) {
        case CacheFormat::Float32:
            return attendAs<float>(task);
        case CacheFormat::BFloat16:
            return attendAs<BFloat16>(task);
        case CacheFormat::Float16:
            return attendAs<Float16>(task);
        case CacheFormat::Int8:
            return attendAs<std::int8_t>(task);
        }
    }

    void putTogether(std::int64_t head)
    {
        const std::int64_t kvHead = head / m_shared, r = head % m_shared;
        float maximum = std::numeric_limits<float>::lowest();
        for (std::int64_t chunk = 0; chunk < m_chunks; ++chunk) {
            const float highest = partial(kvHead * m_chunks + chunk).maximum[r];
            maximum = std::isnan(highest) || highest > maximum ? highest : maximum;
        }
        std::vector<float> sums(static_cast<std::size_t>(m_headDim));
        float total = 0.0F;
        for (std::int64_t chunk = 0; chunk < m_chunks; ++chunk) {
            const Partial part = partial(kvHead * m_chunks + chunk);
            const float weight = std::exp2(part.maximum[r] - maximum);
            total += weight * part.sum[r];
            for (std::int64_t d = 0; d < m_headDim; ++d) {
                sums[static_cast<std::size_t>(d)] += weight * part.out[r * m_headDim + d];
            }
        }
        dispatch(m_args.out.dtype, [&]<typename T>(TypeTag<T>) {
            T* out = m_args.out.template row<T>(head);
            for (std::int64_t d = 0; d < m_headDim; ++d) {
                out[d] = fromCompute<T>(sums[static_cast<std::size_t>(d)] / total);
            }
        });
    }

private:
    std::int64_t partialSize() const { return m_shared * (m_headDim + 2); }

    Partial partial(std::int64_t task)
    {
        float* const first = m_partials.data() + task * partialSize();
        float* const maxima = first + m_shared * m_headDim;
        return {first, maxima, maxima + m_shared};
    }

    template <typename T>
    HeadVectors<T> vectors(const CachedVectors& cached, std::int64_t kvHead,
                           std::int64_t token) const
    {
        return {static_cast<const T*>(cached.data) + token * cached.tokenStride +
                    kvHead * cached.headStride,
                cached.tokenStride,
                cached.scales != nullptr ? cached.scales + token * m_args.kvHeads + kvHead
                                         : nullptr,
                m_args.kvHeads};
    }

    template <typename T>
    void attendAs(std::int64_t task)
    {
        const std::int64_t kvHead = task / m_chunks, first = task % m_chunks * kChunkTokens;
        const ChunkShape shape{m_shared, m_headDim, std::min(kChunkTokens, m_args.tokens - first)};
        const Partial part = partial(task);
        std::vector<float> scores(static_cast<std::size_t>(m_shared * kChunkTokens));
        std::vector<float> wide(static_cast<std::size_t>(m_headDim));
        scoreChunk(shape, m_q.data() + kvHead * m_shared * m_headDim,
                   vectors<T>(m_args.keys, kvHead, first), wide.data(), scores.data());
        for (std::int64_t r = 0; r < m_shared; ++r) {
            shareChunk(scores.data() + r * kChunkTokens, shape.tokens, part.maximum + r,
                       part.sum + r);
        }
        sumChunk(shape, scores.data(), vectors<T>(m_args.values, kvHead, first), wide.data(),
                 part.out);
    }

    const DecodeAttention& m_args;
    std::int64_t m_headDim;
    std::int64_t m_shared; ///< R
    std::int64_t m_chunks;
    std::vector<float> m_q;        ///< [heads, D], scaled
    std::vector<float> m_partials; ///< [kv heads, chunks, partialSize()]
};

} // namespace

void decodeAttention(const DecodeAttention& args)
{
    assert(args.q.rank == 2 && args.q.strides[1] == 1 && args.out.strides[1] == 1);
    assert(args.tokens > 0 && args.q.sizes[0] % args.kvHeads == 0);
    assert(args.keys.format == args.values.format);
    if (runsOnCuda(args.stream, "decodeAttention")) {
        throw KernelError("decodeAttention: has no form for GPUs");
    }
    Decoding decoding(args);
    parallelFor(decoding.tasks(), 1, args.stream.threads,
                [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t task = begin; task < end; ++task) {
                        decoding.attend(task);
                    }
                });
    for (std::int64_t head = 0; head < args.q.sizes[0]; ++head) {
        decoding.putTogether(head);
    }
}

} // namespace longlora::kernels
