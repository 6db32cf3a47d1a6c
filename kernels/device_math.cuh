// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/number_types.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace longlora::kernels {

/// The device's own type for a storage type; same size, same bits.
template <typename T>
struct DeviceNumber {
    using Type = T;
};
template <>
struct DeviceNumber<BFloat16> {
    using Type = __nv_bfloat16;
};
template <>
struct DeviceNumber<Float16> {
    using Type = __half;
};

__device__ inline double toDeviceCompute(double value)
{
    return value;
}
__device__ inline float toDeviceCompute(float value)
{
    return value;
}
__device__ inline float toDeviceCompute(__nv_bfloat16 value)
{
    return __bfloat162float(value);
}
__device__ inline float toDeviceCompute(__half value)
{
    return __half2float(value);
}

/// Rounds to the nearest value of `T`.
template <typename T>
__device__ inline T fromDeviceCompute(Compute<T> value)
{
    if constexpr (std::is_same_v<T, __nv_bfloat16>) {
        return __float2bfloat16_rn(value);
    } else if constexpr (std::is_same_v<T, __half>) {
        return __float2half_rn(value);
    } else {
        return value;
    }
}

inline constexpr int kWarpSize = 32;

/// Threads of a block that works on one row.
inline constexpr int kRowThreads = 256;

/// Combines one value of each of kRowThreads threads and gives the result to all of them. `combine`
/// is associative and commutative with neutral element `neutral`; the order is fixed.
template <typename Value, typename Combine>
__device__ Value blockCombine(Value value, Value neutral, Combine combine)
{
    constexpr unsigned kAllLanes = 0xffffffffU;
    __shared__ Value perWarp[kRowThreads / kWarpSize];
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
        value = combine(value, __shfl_xor_sync(kAllLanes, value, offset));
    }
    __syncthreads(); // the previous call's readers are done with perWarp
    if (threadIdx.x % kWarpSize == 0) {
        perWarp[threadIdx.x / kWarpSize] = value;
    }
    __syncthreads();
    value = neutral;
    for (int warp = 0; warp < kRowThreads / kWarpSize; ++warp) {
        value = combine(value, perWarp[warp]);
    }
    return value;
}

template <typename Value>
__device__ Value blockSum(Value value)
{
    return blockCombine(value, Value(0), [](Value a, Value b) { return a + b; });
}

} // namespace longlora::kernels
