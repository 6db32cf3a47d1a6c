// SPDX-License-Identifier: GPL-3.0-or-later
// Equations: rms_norm.h. Tested against the same float64 reference as the CPU form.
// Forward and dX: one block a row, each element read twice (once from the cache) and written once.
// dW: one block for 32 columns reads x and dY again, in runs of 32 elements, and adds up in a fixed
// order: no atomics, the same bits every time.
#include "kernels/cuda_check.cuh"
#include "kernels/device_math.cuh"
#include "kernels/rms_norm.h"

namespace longlora::kernels::cuda {

namespace {

template <typename T>
struct Forward {
    const T* x;
    const T* weight;
    T* y;
    Compute<T>* inverseRms; ///< may be null
    std::int64_t xStride, yStride, rhoStride, columns;
    double epsilon;
};

template <typename T>
__global__ void __launch_bounds__(kRowThreads) forwardKernel(Forward<T> p)
{
    using C = Compute<T>;
    const std::int64_t row = blockIdx.x;
    const T* x = p.x + row * p.xStride;
    T* y = p.y + row * p.yStride;
    C squares = 0;
    for (std::int64_t c = threadIdx.x; c < p.columns; c += kRowThreads) {
        const C value = toDeviceCompute(x[c]);
        squares += value * value;
    }
    const C mean = blockSum(squares) / static_cast<C>(p.columns);
    const C rho = C(1) / sqrt(mean + static_cast<C>(p.epsilon));
    for (std::int64_t c = threadIdx.x; c < p.columns; c += kRowThreads) {
        y[c] = fromDeviceCompute<T>(toDeviceCompute(x[c]) * rho * toDeviceCompute(p.weight[c]));
    }
    if (threadIdx.x == 0 && p.inverseRms != nullptr) {
        p.inverseRms[row * p.rhoStride] = rho;
    }
}

template <typename T>
struct Backward {
    const T* x;
    const T* weight;
    const Compute<T>* inverseRms;
    const T* dY;
    T* dX;
    Compute<T>* dWeight;
    std::int64_t xStride, dYStride, dXStride, rhoStride, rows, columns;
};

template <typename T>
__global__ void __launch_bounds__(kRowThreads) inputGradientKernel(Backward<T> p)
{
    using C = Compute<T>;
    const std::int64_t row = blockIdx.x;
    const T* x = p.x + row * p.xStride;
    const T* dY = p.dY + row * p.dYStride;
    T* dX = p.dX + row * p.dXStride;
    const C rho = p.inverseRms[row * p.rhoStride];
    C sum = 0;
    for (std::int64_t c = threadIdx.x; c < p.columns; c += kRowThreads) {
        sum += toDeviceCompute(dY[c]) * toDeviceCompute(p.weight[c]) * toDeviceCompute(x[c]);
    }
    const C pull = rho * rho * (blockSum(sum) / static_cast<C>(p.columns));
    for (std::int64_t c = threadIdx.x; c < p.columns; c += kRowThreads) {
        const C direct = toDeviceCompute(dY[c]) * toDeviceCompute(p.weight[c]);
        dX[c] = fromDeviceCompute<T>(rho * (direct - toDeviceCompute(x[c]) * pull));
    }
}

constexpr int kTileColumns = 32;
constexpr int kTileRows = 16;

template <typename T>
__global__ void __launch_bounds__(kTileColumns* kTileRows) weightGradientKernel(Backward<T> p)
{
    using C = Compute<T>;
    __shared__ C sums[kTileRows][kTileColumns];
    const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * kTileColumns + threadIdx.x;
    C sum = 0;
    for (std::int64_t row = threadIdx.y; c < p.columns && row < p.rows; row += kTileRows) {
        sum += toDeviceCompute(p.dY[row * p.dYStride + c]) *
               (toDeviceCompute(p.x[row * p.xStride + c]) * p.inverseRms[row * p.rhoStride]);
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && c < p.columns) {
        for (int other = 1; other < kTileRows; ++other) {
            sum += sums[other][threadIdx.x];
        }
        p.dWeight[c] += sum;
    }
}

} // namespace

void rmsNormForward(const RmsNormForward& args)
{
    if (args.x.sizes[0] == 0) {
        return;
    }
    dispatch(args.x.dtype, [&](auto tag) {
        using T = typename DeviceNumber<typename decltype(tag)::Type>::Type;
        const Forward<T> p{static_cast<const T*>(args.x.data),
                           static_cast<const T*>(args.weight.data),
                           static_cast<T*>(args.y.data),
                           static_cast<Compute<T>*>(args.inverseRms.data),
                           args.x.strides[0],
                           args.y.strides[0],
                           args.inverseRms.strides[0],
                           args.x.sizes[1],
                           args.epsilon};
        forwardKernel<<<static_cast<unsigned>(args.x.sizes[0]), kRowThreads, 0,
                        cudaStream(args.stream)>>>(p);
    });
    cudaCheck(cudaGetLastError());
}

void rmsNormBackward(const RmsNormBackward& args)
{
    if (args.x.sizes[0] == 0) {
        return;
    }
    dispatch(args.x.dtype, [&](auto tag) {
        using T = typename DeviceNumber<typename decltype(tag)::Type>::Type;
        const Backward<T> p{static_cast<const T*>(args.x.data),
                            static_cast<const T*>(args.weight.data),
                            static_cast<const Compute<T>*>(args.inverseRms.data),
                            static_cast<const T*>(args.dY.data),
                            static_cast<T*>(args.dX.data),
                            static_cast<Compute<T>*>(args.dWeight.data),
                            args.x.strides[0],
                            args.dY.strides[0],
                            args.dX.strides[0],
                            args.inverseRms.strides[0],
                            args.x.sizes[0],
                            args.x.sizes[1]};
        if (p.dWeight != nullptr) { // first: the other kernel may overwrite dY
            const auto tiles = static_cast<unsigned>((p.columns + kTileColumns - 1) / kTileColumns);
            weightGradientKernel<<<tiles, dim3(kTileColumns, kTileRows), 0,
                                   cudaStream(args.stream)>>>(p);
        }
        inputGradientKernel<<<static_cast<unsigned>(p.rows), kRowThreads, 0,
                              cudaStream(args.stream)>>>(p);
    });
    cudaCheck(cudaGetLastError());
}

} // namespace longlora::kernels::cuda
