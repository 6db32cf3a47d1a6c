// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/number_types.h"
#include "kernels/tensor_view.h"

#include <stdexcept>
#include <string>

namespace longlora::kernels {

/// An operator could not run: its device is absent, or CUDA reports an error.
class KernelError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

#ifdef LONGLORA_WITH_CUDA
inline constexpr bool kCudaCompiled = true;
#else
inline constexpr bool kCudaCompiled = false;
#endif

/// Whether the CUDA form is meant.
/// Throws: KernelError if it is, but this build has none.
inline bool runsOnCuda(const Stream& stream, const char* operatorName)
{
    if (stream.device == Device::Cpu) {
        return false;
    }
    if (!kCudaCompiled) {
        throw KernelError(std::string(operatorName) +
                          ": asked to run on a GPU, but this build has no CUDA kernels; configure "
                          "with LONGLORA_CUDA=ON or use the CPU");
    }
    return true;
}

template <typename T>
struct TypeTag {
    using Type = T;
};

/// Calls `body(TypeTag<T>{})` with the storage type of `dtype`.
template <typename Body>
void dispatch(DType dtype, const Body& body)
{
    switch (dtype) {
    case DType::Float64:
        body(TypeTag<double>{});
        return;
    case DType::Float32:
        body(TypeTag<float>{});
        return;
    case DType::BFloat16:
        body(TypeTag<BFloat16>{});
        return;
    case DType::Float16:
        body(TypeTag<Float16>{});
        return;
    }
}

} // namespace longlora::kernels
