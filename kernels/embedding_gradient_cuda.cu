// SPDX-License-Identifier: GPL-3.0-or-later
// Equation: embedding_gradient.h. Tested against the same float64 reference as the CPU form.
// One thread a column of one row of the sum: that of the first token in order which has the row
// goes on through all that have it, so nothing is added atomically. Memory is the limit: b read an
// element; the sum of a row stays in a register.
#include "kernels/cuda_check.cuh"
#include "kernels/device_math.cuh"
#include "kernels/embedding_gradient.h"

namespace longlora::kernels::cuda {

namespace {

constexpr int kThreads = 256;

template <typename T>
struct Sums {
    const T* dY;
    std::int64_t dYStride;
    Compute<T>* sum;
    std::int64_t sumStride;
    const std::int64_t* rowOf;
    const std::int64_t* order;
    std::int64_t tokens, columns;
};

template <typename T>
__global__ void __launch_bounds__(kThreads) addKernel(Sums<T> p)
{
    const std::int64_t first = blockIdx.x;
    const std::int64_t column = static_cast<std::int64_t>(blockIdx.y) * kThreads + threadIdx.x;
    const std::int64_t row = p.rowOf[p.order[first]];
    const bool isFirst = first == 0 || p.rowOf[p.order[first - 1]] != row;
    if (!isFirst || column >= p.columns) {
        return;
    }
    Compute<T>* const place = p.sum + row * p.sumStride + column;
    Compute<T> sum = *place;
    for (std::int64_t i = first; i < p.tokens; ++i) {
        const std::int64_t token = p.order[i];
        if (p.rowOf[token] != row) {
            break;
        }
        sum += toDeviceCompute(p.dY[token * p.dYStride + column]);
    }
    *place = sum;
}

} // namespace

void embeddingGradient(const EmbeddingGradient& args)
{
    const std::int64_t tokens = args.dY.sizes[0];
    const std::int64_t columns = args.dY.sizes[1];
    if (tokens == 0 || columns == 0) {
        return;
    }
    const dim3 blocks(static_cast<unsigned>(tokens),
                      static_cast<unsigned>((columns + kThreads - 1) / kThreads));
    dispatch(args.dY.dtype, [&](auto tag) {
        using T = typename DeviceNumber<typename decltype(tag)::Type>::Type;
        addKernel<<<blocks, kThreads, 0, cudaStream(args.stream)>>>(
            Sums<T>{static_cast<const T*>(args.dY.data), args.dY.strides[0],
                    static_cast<Compute<T>*>(args.sum.data), args.sum.strides[0], args.rowOf,
                    args.order, tokens, columns});
    });
    cudaCheck(cudaGetLastError());
}

} // namespace longlora::kernels::cuda
