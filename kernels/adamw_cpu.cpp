// SPDX-License-Identifier: GPL-3.0-or-later
// Equations, cost: adamw.h. Tested against float64 written out naively.
#include "kernels/adamw_block.h"
#include "kernels/dispatch.h"
#include "kernels/parallel_for.h"
#include "kernels/vector_math.h"

#include <algorithm>

namespace longlora::kernels {

namespace {

LONGLORA_VECTOR_CLONES void updateBlock(const AdamWBFloat16& args, const AdamWFactors& f,
                                        std::int64_t begin, std::int64_t count, std::uint32_t key)
{
    float* weights = args.weights + begin;
    const float* gradients = args.gradients + begin;
    BFloat16* first = args.first + begin;
    BFloat16* second = args.second + begin;
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) {
        const float g = gradients[i];
        const float m = f.beta1 * toCompute(first[i]) + f.newInFirst * g;
        const float v = f.beta2 * toCompute(second[i]) + f.newInSecond * g * g;
        weights[i] = moved(weights[i], m, std::sqrt(v), f);
        const std::uint32_t random = randomBits(key, static_cast<std::uint32_t>(i));
        first[i] = randomlyRounded(m, random & 0xffffU);
        second[i] = randomlyRounded(v, random >> 16);
    }
}

/// New moments of a block, as yet unrounded.
struct WideMoments {
    alignas(64) float first[kAdamWBlock];
    alignas(64) float secondRoot[kAdamWBlock];
};

[[gnu::always_inline]] inline void roundInto(EightBitMoments& block, const WideMoments& wide,
                                             std::int64_t count, std::uint32_t key)
{
    float largestFirst = 0.0F, largestRoot = 0.0F, poison = 0.0F;
#pragma omp simd reduction(max : largestFirst, largestRoot) reduction(+ : poison)
    for (std::int64_t i = 0; i < count; ++i) {
        const float m = wide.first[i] < 0.0F ? -wide.first[i] : wide.first[i];
        largestFirst = m > largestFirst ? m : largestFirst;
        largestRoot = wide.secondRoot[i] > largestRoot ? wide.secondRoot[i] : largestRoot;
        poison += 0.0F * (wide.first[i] + wide.secondRoot[i]); // NaN if one is not finite
    }
    block.firstScale = scaleFor(largestFirst, FirstMoment::kLargest) + poison;
    block.secondScale = scaleFor(largestRoot, SecondRoot::kLargest) + poison;
    const float inverseFirst = inverseOf(block.firstScale);
    const float inverseRoot = inverseOf(block.secondScale);
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) {
        const std::uint32_t random = randomBits(key, static_cast<std::uint32_t>(i));
        block.first[i] = firstCode(wide.first[i] * inverseFirst, random & 0xffffU);
        block.second[i] = secondCode(wide.secondRoot[i] * inverseRoot, random >> 16);
    }
}

LONGLORA_VECTOR_CLONES void updateBlock(const AdamWEightBit& args, const AdamWFactors& f,
                                        std::int64_t begin, std::int64_t count, std::uint32_t key)
{
    float* weights = args.weights + begin;
    const float* gradients = args.gradients + begin;
    EightBitMoments& block = args.moments[begin / kAdamWBlock];
    WideMoments wide;
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) {
        const float g = gradients[i];
        const float root = block.secondScale * SecondRoot::decode(block.second[i]);
        const float m = f.beta1 * block.firstScale * firstValue(block.first[i]) + f.newInFirst * g;
        const float newRoot = std::sqrt(f.beta2 * root * root + f.newInSecond * g * g);
        weights[i] = moved(weights[i], m, newRoot, f);
        wide.first[i] = m;
        wide.secondRoot[i] = newRoot;
    }
    roundInto(block, wide, count, key);
}

template <typename Args>
void updateAll(const Args& args)
{
    const AdamWFactors factors = factorsOf(args.rates);
    parallelFor(eightBitBlocks(args.count), rowGrain(kAdamWBlock), args.stream.threads,
                [&](std::int64_t first, std::int64_t last) {
                    for (std::int64_t block = first; block < last; ++block) {
                        const std::int64_t begin = block * kAdamWBlock;
                        updateBlock(args, factors, begin, std::min(kAdamWBlock, args.count - begin),
                                    roundingKey(args.rates.seed, args.rates.step, block));
                    }
                });
}

} // namespace

void adamW(const AdamWBFloat16& args)
{
    if (runsOnCuda(args.stream, "adamW")) {
        if constexpr (kCudaCompiled) {
            cuda::adamW(args);
        }
        return;
    }
    updateAll(args);
}

void adamW(const AdamWEightBit& args)
{
    if (runsOnCuda(args.stream, "adamW")) {
        if constexpr (kCudaCompiled) {
            cuda::adamW(args);
        }
        return;
    }
    updateAll(args);
}

} // namespace longlora::kernels
