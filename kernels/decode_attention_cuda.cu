// SPDX-License-Identifier: GPL-3.0-or-later
// Equation: decode_attention.h. Tested against the same float64 reference as the CPU form.
// One block of threads a chunk of tokens and kv head: scores into shared memory, their softmax, the
// weighted sum of the values; then one block a head puts the chunks together. Each key and value is
// read once, 16 bytes a thread; memory is the limit.
// Names: R query heads that share a kv head, D head_dim.
#include "kernels/cuda_check.cuh"
#include "kernels/decode_attention.h"
#include "kernels/device_math.cuh"
#include "kernels/kv_quantization.h"

#include <cmath>
#include <cstdint>

namespace longlora::kernels::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kChunk = static_cast<int>(kDecodeChunkTokens);
constexpr int kTokenLanes = 8; ///< threads that share a token's score
constexpr unsigned kAllLanes = 0xffffffffU;

/// A run of numbers that one thread reads at once: 16 bytes, or a group of 4-bit numbers.
template <typename T>
struct Unit {
    static constexpr int kNumbers = 16 / static_cast<int>(sizeof(T));
};
template <>
struct Unit<FourBitGroup> {
    static constexpr int kNumbers = static_cast<int>(FourBitGroup::kNumbers);
};

/// Heads whose sums a thread keeps at once: as many as registers allow.
template <typename T>
constexpr int kHeadsAtOnce = Unit<T>::kNumbers >= 32   ? 2
                             : Unit<T>::kNumbers >= 16 ? 4
                                                       : 8;

template <typename T>
__device__ float wide(T x)
{
    return toDeviceCompute(x);
}
__device__ float wide(std::int8_t x)
{
    return static_cast<float>(x);
}

/// Numbers from `first` on of the vector x; what is beyond `size` is 0.
template <typename T>
__device__ void readUnit(const T* x, int first, int size, bool isAligned, float* numbers)
{
    constexpr int kNumbers = Unit<T>::kNumbers;
    if (isAligned) {
        const uint4 bits = *reinterpret_cast<const uint4*>(x + first);
        const T* read = reinterpret_cast<const T*>(&bits);
#pragma unroll
        for (int i = 0; i < kNumbers; ++i) {
            numbers[i] = wide(read[i]);
        }
        return;
    }
    for (int i = 0; i < kNumbers; ++i) {
        numbers[i] = first + i < size ? wide(x[first + i]) : 0.0F;
    }
}

__device__ void readUnit(const FourBitGroup* groups, int first, int size, bool, float* numbers)
{
    constexpr int kHalf = static_cast<int>(FourBitGroup::kNumbers) / 2;
    const FourBitGroup& group = groups[first / FourBitGroup::kNumbers];
    const float scale = toCompute(group.scale), minimum = toCompute(group.minimum);
#pragma unroll
    for (int i = 0; i < kHalf; ++i) {
        const unsigned both = group.codes[i];
        numbers[i] = first + i < size ? minimum + scale * static_cast<float>(both & 15U) : 0.0F;
        numbers[kHalf + i] =
            first + kHalf + i < size ? minimum + scale * static_cast<float>(both >> 4) : 0.0F;
    }
}

/// What one launch needs: the vectors of one format, and where its chunks' results go.
template <typename T>
struct Part {
    const T *keys, *values;
    const float *keyScales, *valueScales; ///< nullptr: 1
    std::int64_t headTokens;
    int vectorSize; ///< elements of T from one token to the next
    bool isAligned;
    std::int64_t tokens;
    const std::int64_t* newest; ///< nullptr: all tokens count
    std::int64_t window;        ///< 0: none; with newest
    int firstChunk;             ///< of this part, among all
};

/// Shapes and results of the whole call.
struct Whole {
    const float* q;  ///< [heads, D], scaled
    float* partials; ///< [kv heads, chunks, R, D + 2]: sums, maximum, total
    int shared;      ///< R
    int headDim;
    int chunks;

    __device__ float* partial(int kvHead, int chunk) const
    {
        return partials +
               (static_cast<std::int64_t>(kvHead) * chunks + chunk) * shared * (headDim + 2);
    }
};

struct Range {
    std::int64_t begin, end;
};

/// The tokens of a chunk of the part that count.
__device__ Range rangeOf(std::int64_t chunk, std::int64_t tokens, const std::int64_t* newest,
                         std::int64_t window)
{
    const std::int64_t end = newest != nullptr ? *newest + 1 : tokens;
    const std::int64_t begin = window > 0 && end > window ? end - window : 0;
    const std::int64_t chunkBegin = chunk * kChunk, chunkEnd = chunkBegin + kChunk;
    return {chunkBegin > begin ? chunkBegin : begin, chunkEnd < end ? chunkEnd : end};
}

/// scores[r, t] = q[r] . key[t], for the chunk's tokens.
template <typename T>
__device__ void scoreTokens(const Part<T>& part, const Whole& whole, const float* q, int kvHead,
                            Range range, float* scores)
{
    constexpr int kUnit = Unit<T>::kNumbers, kHeads = kHeadsAtOnce<T>;
    const int lane = static_cast<int>(threadIdx.x) % kTokenLanes;
    const int count = static_cast<int>(range.end - range.begin);
    for (int base = 0; base < count; base += kThreads / kTokenLanes) {
        const int t = base + static_cast<int>(threadIdx.x) / kTokenLanes;
        const std::int64_t token =
            kvHead * part.headTokens + range.begin + (t < count ? t : count - 1);
        const T* key = part.keys + token * part.vectorSize;
        const float scale = part.keyScales != nullptr ? part.keyScales[token] : 1.0F;
        for (int head = 0; head < whole.shared; head += kHeads) {
            float sums[kHeads]{};
            for (int d = lane * kUnit; d < whole.headDim; d += kTokenLanes * kUnit) {
                float numbers[kUnit];
                readUnit(key, d, whole.headDim, part.isAligned, numbers);
#pragma unroll
                for (int h = 0; h < kHeads; ++h) {
                    if (head + h < whole.shared) {
                        const float* query = q + (head + h) * whole.headDim + d;
#pragma unroll
                        for (int i = 0; i < kUnit; ++i) {
                            sums[h] += d + i < whole.headDim ? numbers[i] * query[i] : 0.0F;
                        }
                    }
                }
            }
#pragma unroll
            for (int h = 0; h < kHeads; ++h) {
                float sum = sums[h];
                for (int offset = kTokenLanes / 2; offset > 0; offset /= 2) {
                    sum += __shfl_xor_sync(kAllLanes, sum, offset);
                }
                if (lane == 0 && t < count && head + h < whole.shared) {
                    scores[(head + h) * kChunk + t] = scale * sum;
                }
            }
        }
    }
}

/// Scores become exp2(score - maximum); a warp a head.
__device__ void shareScores(const Whole& whole, int count, float* scores, float* partial)
{
    const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    for (int head = warp; head < whole.shared; head += kWarps) {
        float* own = scores + head * kChunk;
        float maximum = -3.402823466e38F;
        for (int t = lane; t < count; t += kWarpSize) {
            maximum = fmaxf(maximum, own[t]);
        }
        for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
            maximum = fmaxf(maximum, __shfl_xor_sync(kAllLanes, maximum, offset));
        }
        float total = 0.0F;
        for (int t = lane; t < count; t += kWarpSize) {
            own[t] = exp2f(own[t] - maximum);
            total += own[t];
        }
        for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
            total += __shfl_xor_sync(kAllLanes, total, offset);
        }
        if (lane == 0) {
            partial[whole.shared * whole.headDim + 2 * head] = maximum;
            partial[whole.shared * whole.headDim + 2 * head + 1] = total;
        }
    }
}

/// out[r, d] = sum_t share[r, t] value[t, d]: threads share the tokens, and add up in turn.
template <typename T>
__device__ void sumValues(const Part<T>& part, const Whole& whole, const float* shares, int kvHead,
                          Range range, float* out)
{
    constexpr int kUnit = Unit<T>::kNumbers, kHeads = kHeadsAtOnce<T>;
    const int units = (whole.headDim + kUnit - 1) / kUnit;
    const int groups = units < kThreads ? kThreads / units : 1;
    const int group = units < kThreads ? static_cast<int>(threadIdx.x) / units : 0;
    const int first = static_cast<int>(threadIdx.x) - group * units;
    const int count = static_cast<int>(range.end - range.begin);
    for (int head = 0; head < whole.shared; head += kHeads) {
        for (int step = 0; step < units; step += kThreads) {
            const int d = (first + step) * kUnit;
            const bool isMine = group < groups && first + step < units;
            float sums[kHeads][kUnit]{};
            for (int t = group; isMine && t < count; t += groups) {
                const std::int64_t token = kvHead * part.headTokens + range.begin + t;
                const float scale = part.valueScales != nullptr ? part.valueScales[token] : 1.0F;
                float numbers[kUnit];
                readUnit(part.values + token * part.vectorSize, d, whole.headDim, part.isAligned,
                         numbers);
#pragma unroll
                for (int h = 0; h < kHeads; ++h) {
                    const float share =
                        head + h < whole.shared ? scale * shares[(head + h) * kChunk + t] : 0.0F;
#pragma unroll
                    for (int i = 0; i < kUnit; ++i) {
                        sums[h][i] += share * numbers[i];
                    }
                }
            }
            for (int turn = 0; turn < groups; ++turn) {
                if (isMine && turn == group) {
                    for (int h = 0; h < kHeads && head + h < whole.shared; ++h) {
                        for (int i = 0; i < kUnit && d + i < whole.headDim; ++i) {
                            float& sum = out[(head + h) * whole.headDim + d + i];
                            sum = turn == 0 ? sums[h][i] : sum + sums[h][i];
                        }
                    }
                }
                __syncthreads();
            }
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(kThreads) chunkKernel(Part<T> part, Whole whole)
{
    extern __shared__ float memory[]; // q [R, D], scores [R, chunk], out [R, D]
    const Range range = rangeOf(blockIdx.x, part.tokens, part.newest, part.window);
    if (range.begin >= range.end) {
        return; // the whole block
    }
    const auto kvHead = static_cast<int>(blockIdx.y);
    const int numbers = whole.shared * whole.headDim;
    float* scores = memory + numbers;
    float* out = scores + whole.shared * kChunk;
    for (int i = static_cast<int>(threadIdx.x); i < numbers; i += kThreads) {
        memory[i] = whole.q[kvHead * numbers + i];
    }
    __syncthreads();
    scoreTokens(part, whole, memory, kvHead, range, scores);
    __syncthreads();
    float* partial = whole.partial(kvHead, part.firstChunk + static_cast<int>(blockIdx.x));
    shareScores(whole, static_cast<int>(range.end - range.begin), scores, partial);
    __syncthreads();
    sumValues(part, whole, scores, kvHead, range, out);
    for (int i = static_cast<int>(threadIdx.x); i < numbers; i += kThreads) {
        partial[i] = out[i];
    }
}

/// q [heads, D] in fp32, scaled so that scores are exponents of 2.
template <typename T>
__global__ void scaleKernel(const T* q, std::int64_t rowStride, int headDim, float scale,
                            float* scaled)
{
    const auto head = static_cast<std::int64_t>(blockIdx.x);
    for (int d = static_cast<int>(threadIdx.x); d < headDim; d += kThreads) {
        scaled[head * headDim + d] = scale * wide(q[head * rowStride + d]);
    }
}

/// Which chunks count: of the first part by position, of the second all.
struct Chunks {
    std::int64_t tokens;
    const std::int64_t* newest;
    std::int64_t window;
    int ofFirst, all;

    __device__ bool counts(int chunk) const
    {
        const Range range = rangeOf(chunk, tokens, newest, window);
        return chunk >= ofFirst || range.begin < range.end;
    }
};

template <typename T>
__global__ void __launch_bounds__(kThreads)
    togetherKernel(Whole whole, Chunks chunks, T* out, std::int64_t rowStride)
{
    const auto head = static_cast<int>(blockIdx.x);
    const int kvHead = head / whole.shared, own = head % whole.shared;
    const int tail = whole.shared * whole.headDim + 2 * own;
    float maximum = -3.402823466e38F;
    for (int chunk = 0; chunk < chunks.all; ++chunk) {
        if (chunks.counts(chunk)) {
            maximum = fmaxf(maximum, whole.partial(kvHead, chunk)[tail]);
        }
    }
    for (int d = static_cast<int>(threadIdx.x); d < whole.headDim; d += kThreads) {
        float sum = 0.0F, total = 0.0F;
        for (int chunk = 0; chunk < chunks.all; ++chunk) {
            if (chunks.counts(chunk)) {
                const float* partial = whole.partial(kvHead, chunk);
                const float weight = exp2f(partial[tail] - maximum);
                total += weight * partial[tail + 1];
                sum += weight * partial[own * whole.headDim + d];
            }
        }
        out[head * rowStride + d] = fromDeviceCompute<T>(sum / total);
    }
}

bool isAligned(const CachedVectors& vectors, std::int64_t vectorBytes)
{
    return reinterpret_cast<std::uintptr_t>(vectors.data) % 16 == 0 && vectorBytes % 16 == 0;
}

template <typename T>
void launchPart(const DecodeAttention& args, const CachedVectors& keys, const CachedVectors& values,
                std::int64_t tokens, int firstChunk, const Whole& whole)
{
    constexpr bool kIsGroups = std::is_same_v<T, FourBitGroup>;
    const auto vectorSize =
        static_cast<int>(kIsGroups ? fourBitGroups(whole.headDim) : whole.headDim);
    const auto bytes = static_cast<std::int64_t>(vectorSize * sizeof(T));
    const bool isFirst = firstChunk == 0;
    const Part<T> part{static_cast<const T*>(keys.data),
                       static_cast<const T*>(values.data),
                       keys.scales,
                       values.scales,
                       keys.headTokens,
                       vectorSize,
                       isAligned(keys, bytes) && isAligned(values, bytes),
                       tokens,
                       isFirst ? args.newest : nullptr,
                       isFirst ? args.window : 0,
                       firstChunk};
    const dim3 grid(static_cast<unsigned>(decodeChunks(tokens)),
                    static_cast<unsigned>(args.kvHeads));
    const auto shared =
        static_cast<unsigned>(whole.shared * (2 * whole.headDim + kChunk)) * sizeof(float);
    constexpr unsigned kWithoutAsking = 48 * 1024;
    if (shared > kWithoutAsking) {
        cudaCheck(cudaFuncSetAttribute(chunkKernel<T>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                       static_cast<int>(shared)));
    }
    chunkKernel<T><<<grid, kThreads, shared, cudaStream(args.stream)>>>(part, whole);
    cudaCheck(cudaGetLastError());
}

void launchFormat(const DecodeAttention& args, const CachedVectors& keys,
                  const CachedVectors& values, std::int64_t tokens, int firstChunk,
                  const Whole& whole)
{
    switch (keys.format) {
    case CacheFormat::Float32:
        return launchPart<float>(args, keys, values, tokens, firstChunk, whole);
    case CacheFormat::BFloat16:
        return launchPart<__nv_bfloat16>(args, keys, values, tokens, firstChunk, whole);
    case CacheFormat::Float16:
        return launchPart<__half>(args, keys, values, tokens, firstChunk, whole);
    case CacheFormat::Int8:
        return launchPart<std::int8_t>(args, keys, values, tokens, firstChunk, whole);
    case CacheFormat::Int4:
        return launchPart<FourBitGroup>(args, keys, values, tokens, firstChunk, whole);
    }
}

} // namespace

void decodeAttention(const DecodeAttention& args)
{
    const std::int64_t heads = args.q.sizes[0], headDim = args.q.sizes[1];
    const auto ofFirst = static_cast<int>(decodeChunks(args.tokens));
    const auto all = static_cast<int>(ofFirst + decodeChunks(args.recentTokens));
    float* const scaled = args.workspace;
    const Whole whole{scaled, scaled + heads * headDim, static_cast<int>(heads / args.kvHeads),
                      static_cast<int>(headDim), all};
    constexpr float kLog2E = 1.44269504F;
    const float scale = kLog2E / std::sqrt(static_cast<float>(headDim));
    dispatch(args.q.dtype, [&](auto tag) {
        using T = typename DeviceNumber<typename decltype(tag)::Type>::Type;
        if constexpr (!std::is_same_v<T, double>) {
            scaleKernel<<<static_cast<unsigned>(heads), kThreads, 0, cudaStream(args.stream)>>>(
                static_cast<const T*>(args.q.data), args.q.strides[0], whole.headDim, scale,
                scaled);
        }
    });
    cudaCheck(cudaGetLastError());
    if (args.tokens > 0) {
        launchFormat(args, args.keys, args.values, args.tokens, 0, whole);
    }
    if (args.recentTokens > 0) {
        launchFormat(args, args.recentKeys, args.recentValues, args.recentTokens, ofFirst, whole);
    }
    const Chunks chunks{args.tokens, args.newest, args.window, ofFirst, all};
    dispatch(args.out.dtype, [&](auto tag) {
        using T = typename DeviceNumber<typename decltype(tag)::Type>::Type;
        if constexpr (!std::is_same_v<T, double>) {
            togetherKernel<<<static_cast<unsigned>(heads), kThreads, 0, cudaStream(args.stream)>>>(
                whole, chunks, static_cast<T*>(args.out.data), args.out.strides[0]);
        }
    });
    cudaCheck(cudaGetLastError());
}

} // namespace longlora::kernels::cuda
