// SPDX-License-Identifier: GPL-3.0-or-later
// Equation, cost: decode_attention.h. Tested against float64 written out naively.
// Shapes: R query heads that share a kv head, D head_dim, C tokens of a chunk.
#include "kernels/decode_attention.h"
#include "kernels/dispatch.h"
#include "kernels/kv_quantization.h"
#include "kernels/parallel_for.h"
#include "kernels/vector_math.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <vector>

namespace longlora::kernels {

namespace {

/// Enough work for a thread, few enough that the numbers of a head stay in the second cache.
constexpr std::int64_t kChunkTokens = 128;

// Sums are kept in registers by name: a compiler would keep arrays in memory.
constexpr std::int64_t kLanes = 16;
using Lanes [[gnu::vector_size(64)]] = float;
using LanesAnywhere [[gnu::vector_size(64), gnu::aligned(4), gnu::may_alias]] = float;

[[gnu::always_inline]] inline const LanesAnywhere& lanes(const float* x)
{
    return *reinterpret_cast<const LanesAnywhere*>(x);
}

constexpr std::int64_t padded(std::int64_t headDim)
{
    constexpr std::int64_t kStep = FourBitGroup::kNumbers; // they come whole; two times kLanes
    return (headDim + kStep - 1) / kStep * kStep;
}

/// Of a format whose numbers stand for themselves, each alone.
constexpr std::int64_t numberBytes(CacheFormat format)
{
    return format == CacheFormat::Float32 ? 4 : format == CacheFormat::Int8 ? 1 : 2;
}

constexpr std::int64_t chunksOf(std::int64_t tokens)
{
    return (tokens + kChunkTokens - 1) / kChunkTokens;
}

using kernels::toCompute; // of the other types

[[gnu::always_inline]] inline float toCompute(std::int8_t code)
{
    return static_cast<float>(code);
}

/// Keys or values of one kv head from some token on.
template <typename T>
struct HeadVectors {
    const T* data;       ///< [tokens, D]
    const float* scales; ///< [tokens]; nullptr: 1
};

/// A chunk's part of the result of R heads.
struct Partial {
    float* out; ///< [R, padded D], not divided by the sum
    float* maximum;
    float* sum;
};

struct ChunkShape {
    std::int64_t heads, headDim, tokens; ///< R, D, C
    std::int64_t width() const { return padded(headDim); }
};

/// wide [C, padded D] = the vectors, scaled; what pads them is the caller's zeros.
template <typename T>
LONGLORA_VECTOR_CLONES void widen(const ChunkShape& shape, const HeadVectors<T>& vectors,
                                  float* wide)
{
    for (std::int64_t t = 0; t < shape.tokens; ++t) {
        const T* from = vectors.data + t * shape.headDim;
        float* to = wide + t * shape.width();
        const float scale = vectors.scales != nullptr ? vectors.scales[t] : 1.0F;
#pragma omp simd
        for (std::int64_t d = 0; d < shape.headDim; ++d) {
            to[d] = scale * toCompute(from[d]);
        }
    }
}

/// What fills up a vector's last group stands in the padding, where the queries are 0.
template <>
LONGLORA_VECTOR_CLONES void widen(const ChunkShape& shape, const HeadVectors<FourBitGroup>& vectors,
                                  float* wide)
{
    const std::int64_t groups = fourBitGroups(shape.headDim);
    for (std::int64_t t = 0; t < shape.tokens; ++t) {
        for (std::int64_t g = 0; g < groups; ++g) {
            widen(vectors.data[t * groups + g],
                  wide + t * shape.width() + g * FourBitGroup::kNumbers);
        }
    }
}

/// The sum of each of four vectors' lanes.
[[gnu::always_inline]] inline void laneSums(const Lanes& a, const Lanes& b, const Lanes& c,
                                            const Lanes& d, float* out)
{
    const Lanes ab =
        __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) +
        __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
    const Lanes cd =
        __builtin_shufflevector(c, d, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) +
        __builtin_shufflevector(c, d, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
    // Each 4 lanes: what is left of a, b, c and d.
    const Lanes abcd =
        __builtin_shufflevector(ab, cd, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
        __builtin_shufflevector(ab, cd, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    const Lanes halves = abcd + __builtin_shufflevector(abcd, abcd, 8, 9, 10, 11, 12, 13, 14, 15, 0,
                                                        1, 2, 3, 4, 5, 6, 7);
    const Lanes sums = halves + __builtin_shufflevector(halves, halves, 4, 5, 6, 7, 0, 1, 2, 3, 12,
                                                        13, 14, 15, 8, 9, 10, 11);
    for (int lane = 0; lane < 4; ++lane) {
        out[lane] = sums[lane];
    }
}

/// scores[r, t] = q[r] . keys[t]. Four tokens at a time: rows up to the next four are read.
LONGLORA_VECTOR_CLONES void scoreChunk(const ChunkShape& shape, const float* q, const float* keys,
                                       float* scores)
{
    const std::int64_t width = shape.width();
    for (std::int64_t t = 0; t < shape.tokens; t += 4) {
        const float* key = keys + t * width;
        for (std::int64_t r = 0; r < shape.heads; ++r) {
            const float* query = q + r * width;
            Lanes a{}, b{}, c{}, d{};
            for (std::int64_t i = 0; i < width; i += kLanes) {
                const Lanes part = lanes(query + i);
                a += part * lanes(key + i);
                b += part * lanes(key + width + i);
                c += part * lanes(key + 2 * width + i);
                d += part * lanes(key + 3 * width + i);
            }
            laneSums(a, b, c, d, scores + r * kChunkTokens + t);
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

/// out[r] = sum_t share[r, t] values[t].
LONGLORA_VECTOR_CLONES void sumChunk(const ChunkShape& shape, const float* shares,
                                     const float* values, float* out)
{
    const std::int64_t width = shape.width();
    for (std::int64_t i = 0; i < width; i += kLanes) {
        for (std::int64_t r = 0; r < shape.heads; ++r) {
            const float* share = shares + r * kChunkTokens;
            Lanes even{}, odd{};
            std::int64_t t = 0;
            for (; t + 1 < shape.tokens; t += 2) {
                even += share[t] * lanes(values + t * width + i);
                odd += share[t + 1] * lanes(values + (t + 1) * width + i);
            }
            if (t < shape.tokens) {
                even += share[t] * lanes(values + t * width + i);
            }
            even += odd;
            std::copy_n(reinterpret_cast<const float*>(&even), kLanes, out + r * width + i);
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
        , m_firstRecent(chunksOf(args.tokens))
        , m_chunks(m_firstRecent + chunksOf(args.recentTokens))
        , m_width(padded(m_headDim))
        , m_q(static_cast<std::size_t>(args.q.sizes[0] * m_width))
        , m_partials(static_cast<std::size_t>(args.kvHeads * m_chunks * partialSize()))
    {
        // Scores come out as exponents of 2.
        const float scale = kLog2E / std::sqrt(static_cast<float>(m_headDim));
        dispatch(args.q.dtype, [&]<typename T>(TypeTag<T>) {
            for (std::int64_t h = 0; h < args.q.sizes[0]; ++h) {
                for (std::int64_t d = 0; d < m_headDim; ++d) {
                    const auto x = static_cast<float>(toCompute(args.q.template row<T>(h)[d]));
                    m_q[static_cast<std::size_t>(h * m_width + d)] = scale * x;
                }
            }
        });
    }

    std::int64_t tasks() const { return m_args.kvHeads * m_chunks; }

    void attend(std::int64_t task)
    {
        const std::int64_t chunk = task % m_chunks;
        const bool isRecent = chunk >= m_firstRecent;
        const CachedVectors& keys = isRecent ? m_args.recentKeys : m_args.keys;
        const CachedVectors& values = isRecent ? m_args.recentValues : m_args.values;
        const std::int64_t first = (isRecent ? chunk - m_firstRecent : chunk) * kChunkTokens;
        const std::int64_t tokens = (isRecent ? m_args.recentTokens : m_args.tokens) - first;
        const Chunk where{task, task / m_chunks, first, std::min(kChunkTokens, tokens)};
        switch (keys.format) {
        case CacheFormat::Float32:
            return attendAs<float>(keys, values, where);
        case CacheFormat::BFloat16:
            return attendAs<BFloat16>(keys, values, where);
        case CacheFormat::Float16:
            return attendAs<Float16>(keys, values, where);
        case CacheFormat::Int8:
            return attendAs<std::int8_t>(keys, values, where);
        case CacheFormat::Int4:
            return attendAs<FourBitGroup>(keys, values, where);
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
                sums[static_cast<std::size_t>(d)] += weight * part.out[r * m_width + d];
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
    std::int64_t partialSize() const { return m_shared * (m_width + 2); }

    Partial partial(std::int64_t task)
    {
        float* const first = m_partials.data() + task * partialSize();
        float* const maxima = first + m_shared * m_width;
        return {first, maxima, maxima + m_shared};
    }

    struct Chunk {
        std::int64_t task, kvHead;
        std::int64_t first, tokens; ///< of the vectors it is a part of
    };

    template <typename T>
    HeadVectors<T> vectors(const CachedVectors& cached, const Chunk& chunk) const
    {
        constexpr bool kIsGroups = std::is_same_v<T, FourBitGroup>;
        const std::int64_t first = chunk.kvHead * cached.headTokens + chunk.first;
        const std::int64_t vectorSize = kIsGroups ? fourBitGroups(m_headDim) : m_headDim;
        return {static_cast<const T*>(cached.data) + first * vectorSize,
                cached.scales != nullptr ? cached.scales + first : nullptr};
    }

    template <typename T>
    void attendAs(const CachedVectors& keys, const CachedVectors& values, const Chunk& chunk)
    {
        const ChunkShape shape{m_shared, m_headDim, chunk.tokens};
        const Partial part = partial(chunk.task);
        std::vector<float> scores(static_cast<std::size_t>(m_shared * kChunkTokens));
        std::vector<float> wide(static_cast<std::size_t>(kChunkTokens * m_width));
        widen(shape, vectors<T>(keys, chunk), wide.data());
        scoreChunk(shape, m_q.data() + chunk.kvHead * m_shared * m_width, wide.data(),
                   scores.data());
        for (std::int64_t r = 0; r < m_shared; ++r) {
            shareChunk(scores.data() + r * kChunkTokens, shape.tokens, part.maximum + r,
                       part.sum + r);
        }
        widen(shape, vectors<T>(values, chunk), wide.data());
        sumChunk(shape, scores.data(), wide.data(), part.out);
    }

    const DecodeAttention& m_args;
    std::int64_t m_headDim;
    std::int64_t m_shared;      ///< R
    std::int64_t m_firstRecent; ///< chunk
    std::int64_t m_chunks;
    std::int64_t m_width;          ///< padded D
    std::vector<float> m_q;        ///< [heads, padded D], scaled
    std::vector<float> m_partials; ///< [kv heads, chunks, partialSize()]
};

/// From `first` on.
CachedVectors from(std::int64_t first, CachedVectors vectors, std::int64_t headDim)
{
    constexpr auto kGroupBytes = static_cast<std::int64_t>(sizeof(FourBitGroup));
    const std::int64_t bytes = vectors.format == CacheFormat::Int4
                                   ? fourBitGroups(headDim) * kGroupBytes
                                   : headDim * numberBytes(vectors.format);
    vectors.data = static_cast<const std::byte*>(vectors.data) + first * bytes;
    vectors.scales += vectors.scales != nullptr ? first : 0;
    return vectors;
}

/// What the token at args.newest sees, by numbers.
DecodeAttention ofNewest(DecodeAttention args)
{
    const std::int64_t end = *args.newest + 1;
    const std::int64_t first = args.window > 0 ? std::max<std::int64_t>(0, end - args.window) : 0;
    args.keys = from(first, args.keys, args.q.sizes[1]);
    args.values = from(first, args.values, args.q.sizes[1]);
    args.tokens = end - first;
    args.newest = nullptr;
    return args;
}

} // namespace

void decodeAttention(const DecodeAttention& args)
{
    assert(args.q.rank == 2 && args.q.strides[1] == 1 && args.out.strides[1] == 1);
    assert(args.tokens + args.recentTokens > 0 && args.q.sizes[0] % args.kvHeads == 0);
    assert(args.keys.format == args.values.format);
    assert(args.recentKeys.format == args.recentValues.format);
    assert(args.newest == nullptr || args.recentTokens == 0);
    if (runsOnCuda(args.stream, "decodeAttention")) {
        if constexpr (kCudaCompiled) {
            cuda::decodeAttention(args);
        }
        return;
    }
    if (args.newest != nullptr) {
        return decodeAttention(ofNewest(args));
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
