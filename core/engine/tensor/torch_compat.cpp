// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/torch_compat.h"

#include "core/engine/tensor/host_pool.h"
#include "core/engine/tensor/prepare_compute.h"
#include "core/spec/base/error.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#if defined(LONGLORA_WITH_CUDA)
#    include <c10/cuda/CUDACachingAllocator.h>
#    include <cuda_runtime_api.h>
#endif

#include <malloc.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

namespace longlora {

namespace {

bool processorIsFastInBf16()
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") != 0;
#else
    return false;
#endif
}

at::ScalarType resolvedDtype(const at::Device& device, ComputePrecision precision)
{
    switch (precision) {
    case ComputePrecision::Bf16:
        return at::kBFloat16;
    case ComputePrecision::Fp32:
        return at::kFloat;
    case ComputePrecision::Fp64:
        return at::kDouble;
    case ComputePrecision::Auto:
        break;
    }
    return device.is_cuda() || processorIsFastInBf16() ? at::kBFloat16 : at::kFloat;
}

/// A line "Key:   123 kB" of /proc/self/status, in bytes.
double processStatusBytes(const std::string& key)
{
    std::ifstream status("/proc/self/status");
    std::string word;
    while (status >> word) {
        if (word == key) {
            double kilobytes = 0.0;
            status >> kilobytes;
            return kilobytes * 1024.0;
        }
    }
    return 0.0;
}

#if defined(LONGLORA_WITH_CUDA)
/// The allocator has none before CUDA was first used.
c10::CachingDeviceAllocator::DeviceStats allocatorStats(const at::Device& device)
{
    at::globalContext().lazyInitDevice(at::kCUDA);
    return c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
}
#endif

constexpr std::array<std::pair<at::ScalarType, const char*>, 4> kDtypeNames{{
    {at::kFloat, "fp32"},
    {at::kBFloat16, "bf16"},
    {at::kHalf, "f16"},
    {at::kDouble, "fp64"},
}};

} // namespace

ComputePlace computePlace(DeviceKind device, ComputePrecision precision)
{
    ComputePlace place;
    const bool hasCuda = at::hasCUDA();
    if (device == DeviceKind::Cuda && !hasCuda) {
        throw DeviceError("devices.kind is cuda, but no usable NVIDIA GPU was found",
                          "set devices.kind to cpu, look at `longlora doctor`, or plan for a GPU "
                          "that is not here with `longlora plan --device`");
    }
    if (device != DeviceKind::Cpu && hasCuda) {
        place.device = at::Device(at::kCUDA, 0);
    }
    place.dtype = resolvedDtype(place.device, precision);
    return place;
}

ComputePlace computePlace(const RunConfig& config)
{
    const ComputePlace place = computePlace(config.devices.kind, config.precision.compute);
    // An operator that has no such form throws; fresh memory need not be filled for it.
    at::globalContext().setDeterministicAlgorithms(
        config.precision.deterministic && place.device.is_cuda(), false);
    at::globalContext().setDeterministicFillUninitializedMemory(false);
    return place;
}

bool isDeterministic(const at::Device& device)
{
    return device.is_cpu() || at::globalContext().deterministicAlgorithms();
}

std::string describeDevice(const at::Device& device)
{
#if defined(LONGLORA_WITH_CUDA)
    if (device.is_cuda()) {
        cudaDeviceProp properties{};
        if (cudaGetDeviceProperties(&properties, device.index()) == cudaSuccess) {
            return properties.name;
        }
    }
#endif
    if (device.is_cuda()) {
        return device.str();
    }
    const int threads = at::get_num_threads();
    return "CPU, " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

std::string dtypeName(at::ScalarType dtype)
{
    for (const auto& [known, name] : kDtypeNames) {
        if (known == dtype) {
            return name;
        }
    }
    return c10::toString(dtype);
}

at::ScalarType dtypeFromName(const std::string& name)
{
    for (const auto& [known, knownName] : kDtypeNames) {
        if (name == knownName) {
            return known;
        }
    }
    throw ConfigError("dtype \"" + name + "\" is not known", "use fp32, bf16, f16 or fp64");
}

double memoryInUse(const at::Device& device)
{
#if defined(LONGLORA_WITH_CUDA)
    if (device.is_cuda()) {
        return static_cast<double>(allocatorStats(device).allocated_bytes[0].current);
    }
#endif
    return device.is_cuda() ? 0.0 : processStatusBytes("VmRSS:");
}

double peakMemory(const at::Device& device)
{
#if defined(LONGLORA_WITH_CUDA)
    if (device.is_cuda()) {
        return static_cast<double>(allocatorStats(device).allocated_bytes[0].peak);
    }
#endif
    return device.is_cuda() ? 0.0 : processStatusBytes("VmHWM:");
}

void resetPeakMemory(const at::Device& device)
{
#if defined(LONGLORA_WITH_CUDA)
    if (device.is_cuda()) {
        at::globalContext().lazyInitDevice(at::kCUDA);
        c10::cuda::CUDACachingAllocator::resetPeakStats(device.index());
        return;
    }
#endif
    if (device.is_cpu()) {
        // What earlier work left free is not the next one's.
        HostPool::instance().forgetPeak();
        malloc_trim(0);
        // "5" resets the high-water mark of the resident set (proc(5)); refused in some containers.
        std::ofstream("/proc/self/clear_refs") << "5";
    }
}

void prepareEnvironment()
{
    // The second is the first's older name.
    const bool isSet = std::getenv("PYTORCH_ALLOC_CONF") != nullptr ||
                       std::getenv("PYTORCH_CUDA_ALLOC_CONF") != nullptr;
    if (!isSet) {
        ::setenv("PYTORCH_ALLOC_CONF", "expandable_segments:True", 0);
    }
    ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
}

void prepareCompute(int threads)
{
    at::set_num_threads(threads);
    useHostPool();
    at::globalContext().setFlushDenormal(true);
    if (std::getenv("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE") == nullptr) {
        at::globalContext().setAllowTF32CuBLAS(false);
        at::globalContext().setAllowTF32CuDNN(false);
    }
}

} // namespace longlora
