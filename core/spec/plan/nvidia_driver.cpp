// SPDX-License-Identifier: GPL-3.0-or-later
// The prototypes follow NVIDIA's "NVML API reference"; there is no header of it in Debian.
#include "core/spec/plan/nvidia_driver.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace longlora {

namespace {

using Device = struct nvmlDevice_st*;
using Status = int;
constexpr Status kSuccess = 0;
constexpr Status kInsufficientSize = 7;

struct Memory {
    unsigned long long total, free, used; // used: what the driver keeps among it
};
struct MemoryV2 {
    unsigned int version = static_cast<unsigned int>(sizeof(MemoryV2)) | 2U << 24U;
    unsigned long long total = 0, reserved = 0, free = 0, used = 0;
};
struct Utilisation {
    unsigned int computing, memory; // percent
};
struct Process {
    unsigned int pid;
    unsigned long long usedBytes;
    unsigned int gpuInstance, computeInstance;
};
constexpr unsigned long long kNotAvailable = ~0ULL;

constexpr unsigned int kTextLength = 96;
constexpr unsigned int kTemperatureOfGpu = 0;
constexpr double kMilli = 1e-3;

} // namespace

double GpuState::othersBytes() const
{
    return std::max(0.0, memoryBytes - reservedBytes - freeBytes - ownBytes);
}

/// Functions of the library; those that an older one has not are null and never succeed.
class NvidiaDriver::Library {
public:
    explicit Library(const std::string& name)
        : m_handle(::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL))
    {
        if (m_handle != nullptr) {
            m_isReady = call<>("nvmlInit_v2");
        }
    }
    ~Library()
    {
        if (m_isReady) {
            call<>("nvmlShutdown");
        }
        if (m_handle != nullptr) {
            ::dlclose(m_handle);
        }
    }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;

    unsigned int count() const
    {
        unsigned int count = 0;
        return m_isReady && call<unsigned int*>("nvmlDeviceGetCount_v2", &count) ? count : 0;
    }
    Device at(unsigned int index) const
    {
        Device device = nullptr;
        call<unsigned int, Device*>("nvmlDeviceGetHandleByIndex_v2", index, &device);
        return device;
    }
    Device withUuid(const std::string& uuid) const
    {
        Device device = nullptr;
        if (m_isReady) {
            call<const char*, Device*>("nvmlDeviceGetHandleByUUID", uuid.c_str(), &device);
        }
        return device;
    }
    /// Nothing of a device that is none, or lost.
    std::optional<GpuState> state(Device device) const
    {
        GpuState state;
        if (device == nullptr || !readMemory(device, state)) {
            return std::nullopt;
        }
        state.name = text("nvmlDeviceGetName", device);
        state.uuid = text("nvmlDeviceGetUUID", device);
        state.ownBytes = ownBytes(device);
        Utilisation use{};
        if (call<Device, Utilisation*>("nvmlDeviceGetUtilizationRates", device, &use)) {
            state.busy = use.computing / 100.0;
        }
        unsigned int celsius = 0;
        if (call<Device, unsigned int, unsigned int*>("nvmlDeviceGetTemperature", device,
                                                      kTemperatureOfGpu, &celsius)) {
            state.celsius = celsius;
        }
        state.watts = milliwatts("nvmlDeviceGetPowerUsage", device);
        state.wattLimit = milliwatts("nvmlDeviceGetEnforcedPowerLimit", device);
        return state;
    }

private:
    template <class... Arguments>
    Status status(const char* function, Arguments... arguments) const
    {
        using Function = Status (*)(Arguments...);
        // POSIX: an address that dlsym() gives may be that of a function.
        const auto address = reinterpret_cast<Function>(::dlsym(m_handle, function));
        return address != nullptr ? address(arguments...) : Status{-1};
    }
    template <class... Arguments>
    bool call(const char* function, Arguments... arguments) const
    {
        return status<Arguments...>(function, arguments...) == kSuccess;
    }

    bool readMemory(Device device, GpuState& state) const
    {
        MemoryV2 memory;
        if (call<Device, MemoryV2*>("nvmlDeviceGetMemoryInfo_v2", device, &memory)) {
            state.memoryBytes = static_cast<double>(memory.total);
            state.reservedBytes = static_cast<double>(memory.reserved);
            state.freeBytes = static_cast<double>(memory.free);
            return true;
        }
        Memory older{};
        if (call<Device, Memory*>("nvmlDeviceGetMemoryInfo", device, &older)) {
            state.memoryBytes = static_cast<double>(older.total);
            state.freeBytes = static_cast<double>(older.free);
            return true;
        }
        return false;
    }

    std::string text(const char* function, Device device) const
    {
        std::array<char, kTextLength> text{};
        const bool isKnown =
            call<Device, char*, unsigned int>(function, device, text.data(), kTextLength - 1);
        return isKnown ? std::string(text.data()) : std::string();
    }

    std::optional<double> milliwatts(const char* function, Device device) const
    {
        unsigned int milliwatts = 0;
        return call<Device, unsigned int*>(function, device, &milliwatts)
                   ? std::optional(milliwatts * kMilli)
                   : std::nullopt;
    }

    /// 0 where the driver does not say, or knows this process by another number (in a container).
    double ownBytes(Device device) const
    {
        std::vector<Process> processes(8);
        for (int attempt = 0; attempt < 3; ++attempt) { // some may start between two questions
            auto count = static_cast<unsigned int>(processes.size());
            const Status result = status<Device, unsigned int*, Process*>(
                "nvmlDeviceGetComputeRunningProcesses_v3", device, &count, processes.data());
            if (result == kInsufficientSize && count <= kMostProcesses) {
                processes.resize(count + 8);
                continue;
            }
            if (result != kSuccess) {
                return 0.0;
            }
            const auto end =
                processes.begin() + std::min<std::ptrdiff_t>(count, std::ssize(processes));
            const auto own = std::find_if(processes.begin(), end, [](const Process& process) {
                return process.pid == static_cast<unsigned int>(::getpid());
            });
            return own != end && own->usedBytes != kNotAvailable
                       ? static_cast<double>(own->usedBytes)
                       : 0.0;
        }
        return 0.0;
    }

    static constexpr unsigned int kMostProcesses = 65536;

    void* m_handle;
    bool m_isReady = false;
};

NvidiaDriver::NvidiaDriver(const std::string& library)
    : m_library(std::make_unique<Library>(library))
{}

NvidiaDriver::~NvidiaDriver() = default;

std::vector<GpuState> NvidiaDriver::gpus() const
{
    std::vector<GpuState> states;
    for (unsigned int index = 0; index < m_library->count(); ++index) {
        if (auto state = m_library->state(m_library->at(index))) {
            states.push_back(std::move(*state));
        }
    }
    return states;
}

std::optional<GpuState> NvidiaDriver::gpu(const std::string& uuid) const
{
    for (const char* kind : {"", "GPU-", "MIG-"}) {
        if (auto state = m_library->state(m_library->withUuid(kind + uuid))) {
            return state;
        }
    }
    return std::nullopt;
}

} // namespace longlora
