// SPDX-License-Identifier: GPL-3.0-or-later
// Equations: kv_quantization.h. Tested against the same float64 reference as the CPU form.
// One warp a group, one number a thread: b bytes and 0.625 bytes move a number, memory is the
// limit.
#include "kernels/cuda_check.cuh"
#include "kernels/device_math.cuh"
#include "kernels/kv_quantization.h"

namespace longlora::kernels::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kHalf = static_cast<int>(FourBitGroup::kNumbers) / 2;
static_assert(FourBitGroup::kNumbers == kWarpSize);

/// A group's place among the vectors [heads, tokens, headDim] and among the groups.
struct Shape {
    std::int64_t heads, tokens, headDim, groups; ///< groups of a vector
    std::int64_t headStride, tokenStride;        ///< elements of the vectors
    std::int64_t headTokens;

    __host__ __device__ std::int64_t warps() const { return heads * tokens * groups; }
};

struct Place {
    std::int64_t vector, group; ///< offset of its first element; index of the group
    int first;                  ///< element of the vector that the group begins with
};

__device__ Place placeOf(const Shape& shape, std::int64_t warp)
{
    const std::int64_t part = warp % shape.groups;
    const std::int64_t token = warp / shape.groups % shape.tokens;
    const std::int64_t head = warp / (shape.groups * shape.tokens);
    return {head * shape.headStride + token * shape.tokenStride,
            (head * shape.headTokens + token) * shape.groups + part,
            static_cast<int>(part) * kWarpSize};
}

__device__ std::uint16_t bits16(float x, bool outwards)
{
    return static_cast<std::uint16_t>((__float_as_uint(x) + (outwards ? 0xffffU : 0U)) >> 16);
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    quantizeKernel(const T* x, FourBitGroup* groups, Shape shape)
{
    constexpr unsigned kAllLanes = 0xffffffffU;
    const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (thread / kWarpSize >= shape.warps()) {
        return; // whole warps: the others' shuffles are complete
    }
    const Place place = placeOf(shape, thread / kWarpSize);
    const int lane = static_cast<int>(thread % kWarpSize);
    const std::int64_t element = place.first + lane;
    const float value = element < shape.headDim
                            ? static_cast<float>(toDeviceCompute(x[place.vector + element]))
                            : 0.0F;
    float lowest = value, highest = value, poison = 0.0F * value;
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
        lowest = fminf(lowest, __shfl_xor_sync(kAllLanes, lowest, offset));
        highest = fmaxf(highest, __shfl_xor_sync(kAllLanes, highest, offset));
        poison += __shfl_xor_sync(kAllLanes, poison, offset);
    }
    const BFloat16 minimum{bits16(lowest, lowest < 0.0F)};
    const BFloat16 scale{bits16((highest - toCompute(minimum)) / 15.0F + poison, true)};
    const float step = toCompute(scale);
    const float inverse = step > 0.0F ? 1.0F / step : 0.0F;
    const float place16 = fmaxf((value - toCompute(minimum)) * inverse + 0.5F, 0.0F);
    const auto code = static_cast<unsigned>(fminf(place16, 15.0F));
    const unsigned upper = __shfl_down_sync(kAllLanes, code, kHalf);
    FourBitGroup& group = groups[place.group];
    if (lane < kHalf) {
        group.codes[lane] = static_cast<std::uint8_t>(code | upper << 4);
    }
    if (lane == 0) {
        group.scale = scale;
        group.minimum = minimum;
    }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    dequantizeKernel(const FourBitGroup* groups, T* y, Shape shape)
{
    const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (thread / kWarpSize >= shape.warps()) {
        return;
    }
    const Place place = placeOf(shape, thread / kWarpSize);
    const int lane = static_cast<int>(thread % kWarpSize);
    const std::int64_t element = place.first + lane;
    if (element >= shape.headDim) {
        return;
    }
    const FourBitGroup& group = groups[place.group];
    const unsigned both = group.codes[lane % kHalf];
    const auto code = static_cast<float>(lane < kHalf ? both & 15U : both >> 4);
    const float wide = toCompute(group.minimum) + toCompute(group.scale) * code;
    y[place.vector + element] = fromDeviceCompute<T>(wide);
}

template <typename View>
Shape shapeOf(const View& x, const FourBitVectors& packed)
{
    return {x.sizes[0],   x.sizes[1],   x.sizes[2],       fourBitGroups(x.sizes[2]),
            x.strides[0], x.strides[1], packed.headTokens};
}

unsigned blocksFor(const Shape& shape)
{
    return static_cast<unsigned>((shape.warps() * kWarpSize + kThreads - 1) / kThreads);
}

} // namespace

void fourBitQuantize(const FourBitQuantize& args)
{
    const Shape shape = shapeOf(args.x, args.to);
    if (shape.warps() == 0) {
        return;
    }
    dispatch(args.x.dtype, [&](auto tag) {
        using T = typename DeviceNumber<typename decltype(tag)::Type>::Type;
        quantizeKernel<<<blocksFor(shape), kThreads, 0, cudaStream(args.stream)>>>(
            static_cast<const T*>(args.x.data), args.to.groups, shape);
    });
    cudaCheck(cudaGetLastError());
}

void fourBitDequantize(const FourBitDequantize& args)
{
    const Shape shape = shapeOf(args.y, args.from);
    if (shape.warps() == 0) {
        return;
    }
    dispatch(args.y.dtype, [&](auto tag) {
        using T = typename DeviceNumber<typename decltype(tag)::Type>::Type;
        dequantizeKernel<<<blocksFor(shape), kThreads, 0, cudaStream(args.stream)>>>(
            args.from.groups, static_cast<T*>(args.y.data), shape);
    });
    cudaCheck(cudaGetLastError());
}

} // namespace longlora::kernels::cuda
