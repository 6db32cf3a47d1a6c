// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// What kernels/*.cu use of CUDA, on the processor: enough to run them where there is no GPU, and no
// more. Found before CUDA's own header of this name by the emulated tests alone. Sources are
// translated first: translate.py.
#include "tests/kernels/emulated_cuda/block.h"

#include <math.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#define __device__
#define __host__
#define __global__
#define __constant__
#define __launch_bounds__(threads)
#define __shared__ static

using cudaError_t = int;
using cudaStream_t = void*;
inline constexpr cudaError_t cudaSuccess = 0;
enum cudaMemcpyKind { cudaMemcpyHostToDevice };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

inline const char* cudaGetErrorString(cudaError_t)
{
    return "none";
}
inline cudaError_t cudaGetLastError()
{
    return cudaSuccess;
}
inline cudaError_t cudaDeviceSynchronize()
{
    return cudaSuccess;
}
inline cudaError_t cudaGetDeviceCount(int* count)
{
    *count = 1;
    return cudaSuccess;
}
inline cudaError_t cudaMallocManaged(void** memory, std::size_t bytes)
{
    constexpr std::size_t kAlignment = 256; // as CUDA promises
    *memory = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
    return cudaSuccess;
}
inline cudaError_t cudaFree(void* memory)
{
    std::free(memory);
    return cudaSuccess;
}
template <typename Symbol>
cudaError_t cudaMemcpyToSymbolAsync(Symbol& symbol, const void* from, std::size_t bytes,
                                    std::size_t offset, cudaMemcpyKind, cudaStream_t)
{
    std::memcpy(reinterpret_cast<char*>(&symbol) + offset, from, bytes);
    return cudaSuccess;
}
template <typename Kernel>
cudaError_t cudaFuncSetAttribute(Kernel*, cudaFuncAttribute, int)
{
    return cudaSuccess;
}

inline float __uint_as_float(unsigned bits)
{
    return std::bit_cast<float>(bits);
}
inline unsigned __float_as_uint(float x)
{
    return std::bit_cast<unsigned>(x);
}
