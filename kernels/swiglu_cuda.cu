// SPDX-License-Identifier: GPL-3.0-or-later
// Equations: swiglu.h. Tested against the same float64 reference as the CPU form.
// One thread an element, neighbouring threads at neighbouring elements; memory is the limit:
// 2 b read and b written forward, 3 b read and 2 b written backward. Outputs may be inputs, since
// each thread reads before it writes, at its own index alone.
#include "kernels/cuda_check.cuh"
#include "kernels/device_math.cuh"
#include "kernels/swiglu.h"

namespace longlora::kernels::cuda {

namespace {

constexpr int kThreads = 256;

/// A matrix by its rows.
template <typename T>
struct Rows {
    T* data;
    std::int64_t stride;

    __device__ T& operator()(std::int64_t row, std::int64_t column) const
    {
        return data[row * stride + column];
    }
};

template <typename T, typename View>
Rows<T> rowsOf(const View& view)
{
    return {static_cast<T*>(view.data), view.strides[0]};
}

template <typename C>
__device__ C sigmoid(C x)
{
    return C(1) / (C(1) + exp(-x));
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    forwardKernel(Rows<const T> gate, Rows<const T> up, Rows<T> y, std::int64_t rows,
                  std::int64_t columns)
{
    using C = Compute<T>;
    const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (index >= rows * columns) {
        return;
    }
    const std::int64_t row = index / columns;
    const std::int64_t column = index % columns;
    const C g = toDeviceCompute(gate(row, column));
    const C u = toDeviceCompute(up(row, column));
    y(row, column) = fromDeviceCompute<T>(g * sigmoid(g) * u);
}

template <typename T>
struct Backward {
    Rows<const T> gate, up, dY;
    Rows<T> dGate, dUp;
    std::int64_t rows, columns;
};

template <typename T>
__global__ void __launch_bounds__(kThreads) backwardKernel(Backward<T> p)
{
    using C = Compute<T>;
    const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (index >= p.rows * p.columns) {
        return;
    }
    const std::int64_t row = index / p.columns;
    const std::int64_t column = index % p.columns;
    const C g = toDeviceCompute(p.gate(row, column));
    const C u = toDeviceCompute(p.up(row, column));
    const C d = toDeviceCompute(p.dY(row, column));
    const C sigma = sigmoid(g);
    p.dGate(row, column) = fromDeviceCompute<T>(d * u * sigma * (C(1) + g * (C(1) - sigma)));
    p.dUp(row, column) = fromDeviceCompute<T>(d * g * sigma);
}

unsigned blocksFor(const ConstTensorView& shape)
{
    return static_cast<unsigned>((shape.sizes[0] * shape.sizes[1] + kThreads - 1) / kThreads);
}

} // namespace

void swigluForward(const SwigluForward& args)
{
    if (blocksFor(args.gate) == 0) {
        return;
    }
    dispatch(args.gate.dtype, [&](auto tag) {
        using T = typename DeviceNumber<typename decltype(tag)::Type>::Type;
        forwardKernel<<<blocksFor(args.gate), kThreads, 0, cudaStream(args.stream)>>>(
            rowsOf<const T>(args.gate), rowsOf<const T>(args.up), rowsOf<T>(args.y),
            args.gate.sizes[0], args.gate.sizes[1]);
    });
    cudaCheck(cudaGetLastError());
}

void swigluBackward(const SwigluBackward& args)
{
    if (blocksFor(args.gate) == 0) {
        return;
    }
    dispatch(args.gate.dtype, [&](auto tag) {
        using T = typename DeviceNumber<typename decltype(tag)::Type>::Type;
        backwardKernel<<<blocksFor(args.gate), kThreads, 0, cudaStream(args.stream)>>>(Backward<T>{
            rowsOf<const T>(args.gate), rowsOf<const T>(args.up), rowsOf<const T>(args.dY),
            rowsOf<T>(args.dGate), rowsOf<T>(args.dUp), args.gate.sizes[0], args.gate.sizes[1]});
    });
    cudaCheck(cudaGetLastError());
}

} // namespace longlora::kernels::cuda
