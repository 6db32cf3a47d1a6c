// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"

#include <ATen/core/Tensor.h>

#include <string>

namespace longlora {

/// Where and in what precision a model computes.
struct ComputePlace {
    at::Device device{at::kCPU};
    at::ScalarType dtype = at::kFloat;
};

/// Resolves "auto": CUDA if the build and the machine have it; bf16 where the processor is fast in
/// it (AMX or AVX512-BF16, or a GPU), else fp32.
/// Throws: DeviceError if CUDA is asked for and absent.
ComputePlace computePlace(DeviceKind device, ComputePrecision precision);

/// Of a run. precision.deterministic holds for this process from here on.
ComputePlace computePlace(const RunConfig& config);

/// Whether operators there give the same bits every time.
bool isDeterministic(const at::Device& device);

/// "CPU, 2 threads" or the GPU's name.
std::string describeDevice(const at::Device& device);
/// "fp32", "bf16", "f16", "fp64".
std::string dtypeName(at::ScalarType dtype);
/// Throws: ConfigError for anything but fp32, bf16, f16, fp64.
at::ScalarType dtypeFromName(const std::string& name);

/// Bytes this process has in use: resident set on a CPU, allocated by the caching allocator on a
/// GPU.
double memoryInUse(const at::Device& device);
/// Highest value so far of the same measure. On CPU since resetPeakMemory, if the kernel allows it.
double peakMemory(const at::Device& device);
/// On CPU it also gives the heap's free memory back first.
void resetPeakMemory(const at::Device& device);

} // namespace longlora
