// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/place_profile.h"

#include "core/spec/base/error.h"
#include "core/spec/plan/local_gpu.h"
#include "core/spec/plan/system_memory.h"

#include <fmt/format.h>

#if defined(LONGLORA_WITH_CUDA)
#    include <ATen/Context.h>
#    include <c10/cuda/CUDACachingAllocator.h>
#    include <cuda_runtime_api.h>
#endif

#include <algorithm>

namespace longlora {

#if defined(LONGLORA_WITH_CUDA)

namespace {

void requireAnswer(cudaError_t answer, int index)
{
    if (answer != cudaSuccess) {
        throw DeviceError(
            fmt::format("GPU {} does not answer: {}", index, cudaGetErrorString(answer)),
            "look at nvidia-smi, or compute on the processor: devices.kind=cpu");
    }
}

/// "5f9b0c3e-...", as NVIDIA's driver writes it but for the kind before.
std::string uuidText(const cudaUUID_t& uuid)
{
    std::string text;
    for (std::size_t i = 0; i < sizeof uuid.bytes; ++i) {
        const bool isPart = i == 4 || i == 6 || i == 8 || i == 10;
        text += fmt::format("{}{:02x}", isPart ? "-" : "",
                            static_cast<unsigned>(static_cast<unsigned char>(uuid.bytes[i])));
    }
    return text;
}

/// What LibTorch's allocator holds, for tensors and for later.
double reservedBytes(int index)
{
    at::globalContext().lazyInitDevice(at::kCUDA);
    const auto stats =
        c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(index));
    return static_cast<double>(stats.reserved_bytes[0].current);
}

GpuState askCuda(int index, const cudaDeviceProp& properties)
{
    GpuState state;
    state.name = properties.name;
    std::size_t free = 0;
    std::size_t total = 0;
    requireAnswer(cudaSetDevice(index), index);
    requireAnswer(cudaMemGetInfo(&free, &total), index);
    state.memoryBytes = static_cast<double>(total);
    state.freeBytes = static_cast<double>(free);
    return state;
}

GpuState stateOf(int index)
{
    cudaDeviceProp properties{};
    requireAnswer(cudaGetDeviceProperties(&properties, index), index);
    const auto state = NvidiaDriver().gpu(uuidText(properties.uuid));
    return state ? *state : askCuda(index, properties);
}

} // namespace

std::string placeUuid(const c10::Device& device)
{
    cudaDeviceProp properties{};
    const bool answers =
        device.is_cuda() && cudaGetDeviceProperties(&properties, device.index()) == cudaSuccess;
    return answers ? uuidText(properties.uuid) : std::string();
}

DeviceProfile placeProfile(const c10::Device& device)
{
    if (device.is_cpu()) {
        return localCpuProfile();
    }
    GpuState state = stateOf(device.index());
    // In a container the driver may know this process by another number.
    state.ownBytes = std::max(state.ownBytes, reservedBytes(device.index()));
    DeviceProfile profile = profileOf(state);
    profile.hostMemoryBytes = availableMemoryBytes();
    return profile;
}

#else

std::string placeUuid(const c10::Device&)
{
    return {};
}

DeviceProfile placeProfile(const c10::Device&)
{
    return localCpuProfile();
}

#endif

} // namespace longlora
