// SPDX-License-Identifier: GPL-3.0-or-later
// Equation: cross_entropy.h. Tested against the same float64 reference as the CPU form.
// One block a row: two reads and one write per element, neighbouring threads at neighbouring
// addresses; 2 exponentials and about 10 flops per element, so memory is the limit.
#include "kernels/cross_entropy.h"
#include "kernels/cuda_check.cuh"
#include "kernels/device_math.cuh"

#include <cfloat>
#include <cmath>

namespace longlora::kernels::cuda {

namespace {

template <typename T>
struct Rows {
    T* logits;
    std::int64_t rowStride;
    std::int64_t vocab;
    const std::int64_t* targets;
    double* losses;
    double scale;
    bool gradient;
};

template <typename T>
__device__ void fillRow(T* z, std::int64_t vocab, Compute<T> value)
{
    for (std::int64_t v = threadIdx.x; v < vocab; v += kRowThreads) {
        z[v] = fromDeviceCompute<T>(value);
    }
}

/// sum_v exp(z[v]) = sum * exp(maximum); the same in every thread.
template <typename C>
struct Partition {
    C maximum;
    C sum;
};

// Each thread keeps the maximum of what it has seen and scales its sum down when that rises.
template <typename T>
__device__ Partition<Compute<T>> partition(const T* z, std::int64_t vocab)
{
    using C = Compute<T>;
    const C lowest = sizeof(C) == 8 ? static_cast<C>(-DBL_MAX) : static_cast<C>(-FLT_MAX);
    C maximum = lowest;
    C sum = 0;
    for (std::int64_t v = threadIdx.x; v < vocab; v += kRowThreads) {
        const C value = toDeviceCompute(z[v]);
        if (value > maximum) {
            sum *= exp(maximum - value);
            maximum = value;
        }
        sum += exp(value - maximum);
    }
    const C rowMaximum = blockCombine(maximum, lowest, [](C a, C b) { return a > b ? a : b; });
    return {rowMaximum, blockSum(sum * exp(maximum - rowMaximum))};
}

template <typename T>
__global__ void __launch_bounds__(kRowThreads) softmaxCrossEntropyKernel(Rows<T> rows)
{
    using C = Compute<T>;
    const std::int64_t row = blockIdx.x;
    T* z = rows.logits + row * rows.rowStride;
    const std::int64_t target = rows.targets[row];
    const bool ignored = target == kIgnoredTarget;
    if (ignored || target < 0 || target >= rows.vocab) {
        const C value = ignored ? C(0) : static_cast<C>(NAN);
        if (rows.gradient) {
            fillRow(z, rows.vocab, value);
        }
        if (threadIdx.x == 0) {
            rows.losses[row] = static_cast<double>(value);
        }
        return;
    }

    const Partition<C> total = partition(z, rows.vocab);
    const double logProbability = static_cast<double>(toDeviceCompute(z[target])) -
                                  static_cast<double>(total.maximum) -
                                  log(static_cast<double>(total.sum));
    __syncthreads(); // every thread has read z[target] before it is overwritten
    if (threadIdx.x == 0) {
        rows.losses[row] = -logProbability;
    }
    if (!rows.gradient) {
        return;
    }
    const C factor = static_cast<C>(rows.scale / static_cast<double>(total.sum));
    for (std::int64_t v = threadIdx.x; v < rows.vocab; v += kRowThreads) {
        const C gradient = v == target ? static_cast<C>(rows.scale * (exp(logProbability) - 1.0))
                                       : exp(toDeviceCompute(z[v]) - total.maximum) * factor;
        z[v] = fromDeviceCompute<T>(gradient);
    }
}

} // namespace

void softmaxCrossEntropy(const SoftmaxCrossEntropy& args)
{
    if (args.logits.sizes[0] == 0) {
        return;
    }
    dispatch(args.logits.dtype, [&](auto tag) {
        using T = typename DeviceNumber<typename decltype(tag)::Type>::Type;
        const Rows<T> rows{static_cast<T*>(args.logits.data),
                           args.logits.strides[0],
                           args.logits.sizes[1],
                           args.targets,
                           args.losses,
                           args.scale,
                           args.gradient};
        softmaxCrossEntropyKernel<<<static_cast<unsigned>(args.logits.sizes[0]), kRowThreads, 0,
                                    cudaStream(args.stream)>>>(rows);
    });
    cudaCheck(cudaGetLastError());
}

} // namespace longlora::kernels::cuda
