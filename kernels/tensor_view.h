// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

namespace longlora::kernels {

enum class DType : std::uint8_t { Float64, Float32, BFloat16, Float16 };

/// Bytes of one element.
constexpr std::int64_t elementBytes(DType dtype)
{
    return dtype == DType::Float64 ? 8 : dtype == DType::Float32 ? 4 : 2;
}

enum class Device : std::uint8_t { Cpu, Cuda };

/// Where an operator runs.
struct Stream {
    Device device = Device::Cpu;
    void* handle = nullptr; ///< cudaStream_t; null is the default stream of the current device
    int threads = 0;        ///< CPU threads; 0: as many as OpenMP gives the calling thread
};

/// Somebody else's memory seen as an array. `Void` is `void` or `const void`.
/// Units: sizes and strides in elements. Operators say which strides must be 1.
template <typename Void>
struct BasicTensorView {
    static constexpr int kMaxRank = 4;

    Void* data = nullptr;
    DType dtype = DType::Float32;
    int rank = 0;
    std::array<std::int64_t, kMaxRank> sizes{};
    std::array<std::int64_t, kMaxRank> strides{};

    /// What may be written may be read.
    template <typename Mutable = Void>
    requires(!std::is_const_v<Mutable>) operator BasicTensorView<const Mutable>() const
    {
        return {data, dtype, rank, sizes, strides};
    }

    /// Element 0 of index `i` in the first dimension. `T` is the storage type of `dtype`.
    template <typename T>
    auto* row(std::int64_t i) const
    {
        using Element = std::conditional_t<std::is_const_v<Void>, const T, T>;
        return static_cast<Element*>(data) + i * strides[0];
    }
};

using TensorView = BasicTensorView<void>;
using ConstTensorView = BasicTensorView<const void>;

/// A view of `sizes` in row-major order without gaps.
template <typename Void>
BasicTensorView<Void> contiguousView(Void* data, DType dtype,
                                     std::initializer_list<std::int64_t> sizes)
{
    BasicTensorView<Void> view{data, dtype, static_cast<int>(sizes.size()), {}, {}};
    std::size_t axis = 0;
    for (const std::int64_t size : sizes) {
        view.sizes[axis++] = size;
    }
    std::int64_t stride = 1;
    while (axis-- > 0) {
        view.strides[axis] = stride;
        stride *= view.sizes[axis];
    }
    return view;
}

} // namespace longlora::kernels
