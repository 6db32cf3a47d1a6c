// SPDX-License-Identifier: GPL-3.0-or-later
// Equations, cost: adamw.h. Tested against the same float64 reference as the CPU form. One thread a
// weight in 16 bits, one warp a block of weights in 8: memory is the limit of both.
#include "kernels/adamw_block.h"
#include "kernels/cuda_check.cuh"
#include "kernels/device_math.cuh"

namespace longlora::kernels::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kPerLane = static_cast<int>(kAdamWBlock) / kWarpSize;

__device__ std::int64_t threadIndex()
{
    return static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

__global__ void __launch_bounds__(kThreads) updateKernel(AdamWBFloat16 args, AdamWFactors f)
{
    const std::int64_t i = threadIndex();
    if (i >= args.count) {
        return;
    }
    const float g = args.gradients[i];
    const float m = f.beta1 * toCompute(args.first[i]) + f.newInFirst * g;
    const float v = f.beta2 * toCompute(args.second[i]) + f.newInSecond * g * g;
    args.weights[i] = moved(args.weights[i], m, sqrtf(v), f);
    const std::uint32_t random =
        randomBits(roundingKey(args.rates.seed, args.rates.step, i / kAdamWBlock),
                   static_cast<std::uint32_t>(i % kAdamWBlock));
    args.first[i] = randomlyRounded(m, random & 0xffffU);
    args.second[i] = randomlyRounded(v, random >> 16);
}

/// The largest of a warp's numbers; NaN if one is not finite.
__device__ float largestOfWarp(float x)
{
    float largest = x, poison = 0.0F * x;
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
        largest = fmaxf(largest, __shfl_xor_sync(0xffffffffU, largest, offset));
        poison += __shfl_xor_sync(0xffffffffU, poison, offset);
    }
    return largest + poison;
}

__device__ float largerOrNaN(float a, float b)
{
    return fmaxf(a, b) + 0.0F * (a + b);
}

__global__ void __launch_bounds__(kThreads) updateKernel(AdamWEightBit args, AdamWFactors f)
{
    const std::int64_t block = threadIndex() / kWarpSize;
    if (block * kAdamWBlock >= args.count) {
        return; // whole warps: the others' shuffles are complete
    }
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    EightBitMoments& moments = args.moments[block];
    const float oldFirstScale = moments.firstScale, oldSecondScale = moments.secondScale;
    float first[kPerLane]{}, root[kPerLane]{}, largestFirst = 0.0F, largestRoot = 0.0F;
    for (int j = 0; j < kPerLane; ++j) {
        const int place = lane + j * kWarpSize;
        const std::int64_t i = block * kAdamWBlock + place;
        if (i >= args.count) {
            break;
        }
        const float g = args.gradients[i];
        const float old = oldSecondScale * SecondRoot::decode(moments.second[place]);
        first[j] = f.beta1 * oldFirstScale * firstValue(moments.first[place]) + f.newInFirst * g;
        root[j] = sqrtf(f.beta2 * old * old + f.newInSecond * g * g);
        args.weights[i] = moved(args.weights[i], first[j], root[j], f);
        largestFirst = largerOrNaN(largestFirst, fabsf(first[j]));
        largestRoot = largerOrNaN(largestRoot, root[j]);
    }
    const float both = 0.0F * (largestFirst + largestRoot); // NaN if one of the block's is
    const float firstScale = scaleFor(largestOfWarp(largestFirst + both), FirstMoment::kLargest);
    const float secondScale = scaleFor(largestOfWarp(largestRoot + both), SecondRoot::kLargest);
    const std::uint32_t key = roundingKey(args.rates.seed, args.rates.step, block);
    for (int j = 0; j < kPerLane; ++j) {
        const int place = lane + j * kWarpSize;
        const std::uint32_t random = randomBits(key, static_cast<std::uint32_t>(place));
        moments.first[place] = firstCode(first[j] * inverseOf(firstScale), random & 0xffffU);
        moments.second[place] = secondCode(root[j] * inverseOf(secondScale), random >> 16);
    }
    if (lane == 0) {
        moments.firstScale = firstScale;
        moments.secondScale = secondScale;
    }
}

template <typename Args>
void launch(const Args& args, std::int64_t threads)
{
    if (threads == 0) {
        return;
    }
    const auto blocks = static_cast<unsigned>((threads + kThreads - 1) / kThreads);
    updateKernel<<<blocks, kThreads, 0, cudaStream(args.stream)>>>(args, factorsOf(args.rates));
    cudaCheck(cudaGetLastError());
}

} // namespace

void adamW(const AdamWBFloat16& args)
{
    launch(args, args.count);
}

void adamW(const AdamWEightBit& args)
{
    launch(args, eightBitBlocks(args.count) * kWarpSize);
}

} // namespace longlora::kernels::cuda
