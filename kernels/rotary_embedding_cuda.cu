// SPDX-License-Identifier: GPL-3.0-or-later
// Equation: rotary_embedding.h. Tested against the same float64 reference as the CPU form.
// One thread a pair, neighbouring threads at neighbouring pairs: b bytes read and b written per
// element, 3 flops; the table comes from the L2 cache for all heads but the first.
#include "kernels/cuda_check.cuh"
#include "kernels/device_math.cuh"
#include "kernels/rotary_embedding.h"

namespace longlora::kernels::cuda {

namespace {

constexpr int kThreads = 256;

template <typename T>
struct Pairs {
    T* x;
    std::int64_t seq, heads, pairs; // sizes; pairs = D / 2
    std::int64_t batchStride, seqStride, headStride;
    const Compute<T>* cos;
    const Compute<T>* sin;
    std::int64_t cosStride, sinStride;
    Compute<T> sign;
    std::int64_t total;
};

template <typename T>
__global__ void __launch_bounds__(kThreads) rotateKernel(Pairs<T> p)
{
    using C = Compute<T>;
    const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (index >= p.total) {
        return;
    }
    const std::int64_t i = index % p.pairs;
    const std::int64_t h = index / p.pairs % p.heads;
    const std::int64_t s = index / (p.pairs * p.heads) % p.seq;
    const std::int64_t b = index / (p.pairs * p.heads * p.seq);
    T* first = p.x + b * p.batchStride + s * p.seqStride + h * p.headStride + i;
    T* second = first + p.pairs;
    const C cosine = p.cos[s * p.cosStride + i];
    const C sine = p.sign * p.sin[s * p.sinStride + i];
    const C u = toDeviceCompute(*first);
    const C v = toDeviceCompute(*second);
    *first = fromDeviceCompute<T>(u * cosine - v * sine);
    *second = fromDeviceCompute<T>(v * cosine + u * sine);
}

} // namespace

void rotate(const RotaryEmbedding& args, int sign)
{
    const auto& sizes = args.x.sizes;
    const auto& strides = args.x.strides;
    const std::int64_t total = sizes[0] * sizes[1] * sizes[2] * (sizes[3] / 2);
    if (total == 0) {
        return;
    }
    dispatch(args.x.dtype, [&](auto tag) {
        using T = typename DeviceNumber<typename decltype(tag)::Type>::Type;
        using C = Compute<T>;
        const Pairs<T> pairs{static_cast<T*>(args.x.data),
                             sizes[1],
                             sizes[2],
                             sizes[3] / 2,
                             strides[0],
                             strides[1],
                             strides[2],
                             static_cast<const C*>(args.cos.data),
                             static_cast<const C*>(args.sin.data),
                             args.cos.strides[0],
                             args.sin.strides[0],
                             static_cast<C>(sign),
                             total};
        const auto blocks = static_cast<unsigned>((total + kThreads - 1) / kThreads);
        rotateKernel<<<blocks, kThreads, 0, cudaStream(args.stream)>>>(pairs);
    });
    cudaCheck(cudaGetLastError());
}

} // namespace longlora::kernels::cuda
