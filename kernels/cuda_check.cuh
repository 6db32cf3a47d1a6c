// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/dispatch.h"

#include <cuda_runtime.h>

#include <source_location>
#include <string>

namespace longlora::kernels {

/// Throws: KernelError with CUDA's own words and the place of the call if `status` is an error.
inline void cudaCheck(cudaError_t status,
                      std::source_location where = std::source_location::current())
{
    if (status != cudaSuccess) {
        throw KernelError(std::string("CUDA: ") + cudaGetErrorString(status) + " (" +
                          where.function_name() + ", line " + std::to_string(where.line()) + ")");
    }
}

/// The stream an operator was given.
inline cudaStream_t cudaStream(const Stream& stream)
{
    return static_cast<cudaStream_t>(stream.handle);
}

} // namespace longlora::kernels
