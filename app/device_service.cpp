// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/device_service.h"

#include "core/engine/tensor/place_profile.h"
#include "core/engine/train/training_speed.h"

namespace longlora::app {

namespace {

class EngineDevice : public DeviceService {
public:
    std::vector<DeviceProfile> measure() override
    {
        std::vector<DeviceProfile> devices{measuredCpuProfile()};
        const at::Device chosen = computePlace(DeviceKind::Auto, ComputePrecision::Auto).device;
        if (!chosen.is_cpu()) {
            devices.insert(devices.begin(), placeProfile(chosen));
        }
        return devices;
    }
};

} // namespace

DeviceProfile profileHere(DeviceKind kind)
{
    const at::Device device = computePlace(kind, ComputePrecision::Auto).device;
    return device.is_cpu() ? measuredCpuProfile() : placeProfile(device);
}

DeviceProfile measuredCpuProfile()
{
    // First: it notes what is resident before anything is computed.
    DeviceProfile profile = localCpuProfile();
    profile.fp32FlopsPerSecond = measureTrainingSpeed({at::kCPU, at::kFloat});
    if (profile.autoPrecision == ComputePrecision::Bf16) {
        profile.bf16FlopsPerSecond = measureTrainingSpeed({at::kCPU, at::kBFloat16});
    }
    resetPeakMemory(at::kCPU); // what the benchmark took is given back
    return profile;
}

std::unique_ptr<DeviceService> makeDeviceService()
{
    return std::make_unique<EngineDevice>();
}

} // namespace longlora::app
