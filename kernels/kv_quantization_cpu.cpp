// SPDX-License-Identifier: GPL-3.0-or-later
// Equations, cost: kv_quantization.h. Tested against float64 written out naively.
#include "kernels/dispatch.h"
#include "kernels/kv_quantization.h"
#include "kernels/parallel_for.h"
#include "kernels/vector_math.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace longlora::kernels {

namespace {

constexpr std::int64_t kNumbers = FourBitGroup::kNumbers;
constexpr std::uint32_t kLostBits = 0xffffU; ///< of a float that becomes bf16

[[gnu::always_inline]] inline BFloat16 roundedDown(float x)
{
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t outwards = x < 0.0F ? kLostBits : 0U;
    return {static_cast<std::uint16_t>((bits + outwards) >> 16)};
}

/// x >= 0 or NaN.
[[gnu::always_inline]] inline BFloat16 roundedUp(float x)
{
    return {static_cast<std::uint16_t>((std::bit_cast<std::uint32_t>(x) + kLostBits) >> 16)};
}

[[gnu::always_inline]] inline void quantizeGroup(const float* x, FourBitGroup& group)
{
    constexpr float kLastCode = 15.0F;
    float lowest = x[0], highest = x[0], poison = 0.0F;
#pragma omp simd reduction(min : lowest) reduction(max : highest) reduction(+ : poison)
    for (std::int64_t i = 0; i < kNumbers; ++i) {
        lowest = x[i] < lowest ? x[i] : lowest;
        highest = x[i] > highest ? x[i] : highest;
        poison += 0.0F * x[i]; // NaN if x is not finite
    }
    group.minimum = roundedDown(lowest);
    const float minimum = toCompute(group.minimum);
    group.scale = roundedUp((highest - minimum) / kLastCode + poison);
    const float scale = toCompute(group.scale);
    const float inverse = scale > 0.0F ? 1.0F / scale : 0.0F;
    const auto code = [&](float value) {
        const float step = (value - minimum) * inverse + 0.5F;
        const float positive = step > 0.0F ? step : 0.0F; // NaN is not
        return static_cast<std::uint32_t>(positive < kLastCode ? positive : kLastCode);
    };
#pragma omp simd
    for (std::int64_t i = 0; i < kNumbers / 2; ++i) {
        group.codes[i] = static_cast<std::uint8_t>(code(x[i]) | code(x[kNumbers / 2 + i]) << 4);
    }
}

template <typename T>
LONGLORA_VECTOR_CLONES void quantizeVector(const T* x, std::int64_t headDim, FourBitGroup* groups)
{
    for (std::int64_t begin = 0; begin < headDim; begin += kNumbers) {
        const std::int64_t count = std::min(kNumbers, headDim - begin);
        float wide[kNumbers]{};
#pragma omp simd
        for (std::int64_t i = 0; i < count; ++i) {
            wide[i] = static_cast<float>(toCompute(x[begin + i]));
        }
        quantizeGroup(wide, groups[begin / kNumbers]);
    }
}

template <typename T>
LONGLORA_VECTOR_CLONES void dequantizeVector(const FourBitGroup* groups, std::int64_t headDim, T* y)
{
    for (std::int64_t begin = 0; begin < headDim; begin += kNumbers) {
        const std::int64_t count = std::min(kNumbers, headDim - begin);
        float wide[kNumbers];
        widen(groups[begin / kNumbers], wide);
#pragma omp simd
        for (std::int64_t i = 0; i < count; ++i) {
            y[begin + i] = fromCompute<T>(static_cast<Compute<T>>(wide[i]));
        }
    }
}

/// Calls `body(vector of x, its groups)` for every head and token.
template <typename T, typename View, typename Body>
void forEachVector(const View& x, const FourBitVectors& packed, int threads, const Body& body)
{
    assert(x.rank == 3 && x.strides[2] == 1);
    const std::int64_t tokens = x.sizes[1], groups = fourBitGroups(x.sizes[2]);
    parallelFor(x.sizes[0] * tokens, rowGrain(x.sizes[2]), threads,
                [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) {
                        const std::int64_t head = i / tokens, token = i % tokens;
                        body(x.template row<T>(head) + token * x.strides[1],
                             packed.groups + (head * packed.headTokens + token) * groups);
                    }
                });
}

} // namespace

void fourBitQuantize(const FourBitQuantize& args)
{
    if (runsOnCuda(args.stream, "fourBitQuantize")) {
        if constexpr (kCudaCompiled) {
            cuda::fourBitQuantize(args);
        }
        return;
    }
    dispatch(args.x.dtype, [&]<typename T>(TypeTag<T>) {
        forEachVector<T>(args.x, args.to, args.stream.threads, [&](const T* x, FourBitGroup* to) {
            quantizeVector(x, args.x.sizes[2], to);
        });
    });
}

void fourBitDequantize(const FourBitDequantize& args)
{
    if (runsOnCuda(args.stream, "fourBitDequantize")) {
        if constexpr (kCudaCompiled) {
            cuda::fourBitDequantize(args);
        }
        return;
    }
    dispatch(args.y.dtype, [&]<typename T>(TypeTag<T>) {
        forEachVector<T>(
            args.y, args.from, args.stream.threads,
            [&](T* y, const FourBitGroup* from) { dequantizeVector(from, args.y.sizes[2], y); });
    });
}

} // namespace longlora::kernels
