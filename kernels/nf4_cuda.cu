// SPDX-License-Identifier: GPL-3.0-or-later
// Equations: nf4.h. Tested against the same golden data as the CPU form.
// One thread a byte of codes, that is two neighbouring numbers; memory is the limit: 0.56 bytes
// read and 2 written a number in bf16. The levels lie in constant memory.
#include "kernels/cuda_check.cuh"
#include "kernels/device_math.cuh"
#include "kernels/nf4.h"

namespace longlora::kernels::cuda {

namespace {

constexpr int kThreads = 256;

__constant__ float deviceNf4Levels[16];
__constant__ float deviceAbsmaxLevels[256];

template <typename T>
__global__ void __launch_bounds__(kThreads)
    dequantizeKernel(const std::uint8_t* packed, const float* absmax, T* y, std::int64_t rowStride,
                     std::int64_t columns, std::int64_t count)
{
    const std::int64_t pair = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    const std::int64_t first = 2 * pair;
    if (first >= count) {
        return;
    }
    const float scale = absmax[first / kNf4BlockSize];
    const unsigned codes = packed[pair];
    T* const out = y + first / columns * rowStride + first % columns;
    out[0] = fromDeviceCompute<T>(deviceNf4Levels[codes >> 4] * scale);
    if (first + 1 < count) {
        out[1] = fromDeviceCompute<T>(deviceNf4Levels[codes & 15U] * scale);
    }
}

__global__ void __launch_bounds__(kThreads)
    absmaxKernel(const std::uint8_t* codes, const float* scales, float offset, float* absmax,
                 std::int64_t count)
{
    const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (i < count) {
        absmax[i] = deviceAbsmaxLevels[codes[i]] * scales[i / kAbsmaxGroupSize] + offset;
    }
}

unsigned blocksFor(std::int64_t items)
{
    return static_cast<unsigned>((items + kThreads - 1) / kThreads);
}

} // namespace

void nf4Dequantize(const Nf4Dequantize& args)
{
    const std::int64_t count = args.y.sizes[0] * args.y.sizes[1];
    if (count == 0) {
        return;
    }
    cudaCheck(cudaMemcpyToSymbolAsync(deviceNf4Levels, kNf4Levels.data(), sizeof(kNf4Levels), 0,
                                      cudaMemcpyHostToDevice, cudaStream(args.stream)));
    dispatch(args.y.dtype, [&](auto tag) {
        using T = typename DeviceNumber<typename decltype(tag)::Type>::Type;
        dequantizeKernel<<<blocksFor(nf4PackedBytes(count)), kThreads, 0,
                           cudaStream(args.stream)>>>(args.packed, args.absmax,
                                                      static_cast<T*>(args.y.data),
                                                      args.y.strides[0], args.y.sizes[1], count);
    });
    cudaCheck(cudaGetLastError());
}

void absmaxDequantize(const AbsmaxDequantize& args)
{
    if (args.count == 0) {
        return;
    }
    const std::array<float, 256>& levels = absmaxLevels();
    cudaCheck(cudaMemcpyToSymbolAsync(deviceAbsmaxLevels, levels.data(), sizeof(levels), 0,
                                      cudaMemcpyHostToDevice, cudaStream(args.stream)));
    absmaxKernel<<<blocksFor(args.count), kThreads, 0, cudaStream(args.stream)>>>(
        args.codes, args.scales, args.offset, args.absmax, args.count);
    cudaCheck(cudaGetLastError());
}

} // namespace longlora::kernels::cuda
