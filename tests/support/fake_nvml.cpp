// SPDX-License-Identifier: GPL-3.0-or-later
// A stand-in for libnvidia-ml.so.1, with the prototypes of NVIDIA's "NVML API reference".
#include "tests/support/fake_nvml.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

using Gpu = longlora::test::FakeNvml::Gpu;

namespace {

longlora::test::FakeNvml g_answers; // this library's one state
constexpr int kInvalidArgument = 2;
constexpr int kNotFound = 6;
constexpr int kInsufficientSize = 7;

Gpu* gpuOf(void* device)
{
    return static_cast<Gpu*>(device);
}

int giveText(const std::string& text, char* out, unsigned int length)
{
    if (text.size() + 1 > length) {
        return kInsufficientSize;
    }
    std::memcpy(out, text.c_str(), text.size() + 1);
    return 0;
}

struct Memory {
    unsigned long long total, free, used;
};
struct MemoryV2 {
    unsigned int version;
    unsigned long long total, reserved, free, used;
};
struct Utilisation {
    unsigned int computing, memory;
};
struct Process {
    unsigned int pid;
    unsigned long long usedBytes;
    unsigned int gpuInstance, computeInstance;
};

} // namespace

extern "C" {

longlora::test::FakeNvml* fakeNvmlAnswers()
{
    return &g_answers;
}

int nvmlInit_v2()
{
    g_answers.inits += g_answers.init == 0 ? 1 : 0;
    return g_answers.init;
}

int nvmlShutdown()
{
    --g_answers.inits;
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned int* count)
{
    *count = static_cast<unsigned int>(g_answers.gpus.size());
    return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void** device)
{
    if (index >= g_answers.gpus.size()) {
        return kInvalidArgument;
    }
    *device = &g_answers.gpus[index];
    return 0;
}

int nvmlDeviceGetHandleByUUID(const char* uuid, void** device)
{
    const auto found = std::ranges::find(g_answers.gpus, std::string(uuid), &Gpu::uuid);
    if (found == g_answers.gpus.end()) {
        return kNotFound;
    }
    *device = &*found;
    return 0;
}

int nvmlDeviceGetName(void* device, char* name, unsigned int length)
{
    return giveText(gpuOf(device)->name, name, length);
}

int nvmlDeviceGetUUID(void* device, char* uuid, unsigned int length)
{
    return giveText(gpuOf(device)->uuid, uuid, length);
}

int nvmlDeviceGetMemoryInfo(void* device, Memory* memory)
{
    const Gpu& gpu = *gpuOf(device);
    *memory = {gpu.total, gpu.free, gpu.total - gpu.free};
    return g_answers.memory;
}

int nvmlDeviceGetMemoryInfo_v2(void* device, MemoryV2* memory)
{
    if (memory->version != (sizeof(MemoryV2) | 2U << 24U)) {
        return kInvalidArgument;
    }
    const Gpu& gpu = *gpuOf(device);
    memory->total = gpu.total;
    memory->reserved = gpu.reserved;
    memory->free = gpu.free;
    memory->used = gpu.total - gpu.reserved - gpu.free;
    return g_answers.memoryV2;
}

int nvmlDeviceGetUtilizationRates(void* device, Utilisation* use)
{
    *use = {gpuOf(device)->busyPercent, 1};
    return g_answers.details;
}

int nvmlDeviceGetTemperature(void* device, unsigned int sensor, unsigned int* celsius)
{
    *celsius = gpuOf(device)->celsius;
    return sensor == 0 ? g_answers.details : kInvalidArgument;
}

int nvmlDeviceGetPowerUsage(void* device, unsigned int* milliwatts)
{
    *milliwatts = gpuOf(device)->milliwatts;
    return g_answers.details;
}

int nvmlDeviceGetEnforcedPowerLimit(void* device, unsigned int* milliwatts)
{
    *milliwatts = gpuOf(device)->milliwattLimit;
    return g_answers.details;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void* device, unsigned int* count, Process* processes)
{
    const std::vector<unsigned long long>& bytes = gpuOf(device)->processBytes;
    const unsigned int room = *count;
    *count = static_cast<unsigned int>(bytes.size());
    if (g_answers.details != 0 || room < bytes.size()) {
        return g_answers.details != 0 ? g_answers.details : kInsufficientSize;
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const bool isOwn = i + 1 == bytes.size();
        processes[i] = {isOwn ? static_cast<unsigned int>(::getpid()) : 1U, bytes[i], 0, 0};
    }
    return 0;
}
}
