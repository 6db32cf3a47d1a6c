// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/local_gpu.h"

#include "core/spec/base/units.h"
#include "core/spec/plan/device_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace longlora {

namespace {

/// The table's speeds, if it has the device; else none are known.
DeviceProfile withKnownSpeeds(const std::string& driverName)
{
    const auto known = std::ranges::find(knownDevices(), driverName, &KnownDevice::driverName);
    if (known != knownDevices().end()) {
        return speedProfileOf(*known);
    }
    DeviceProfile unknown;
    unknown.kind = DeviceKind::Cuda;
    unknown.programBytes = kCudaContextBytes;
    unknown.autoPrecision = ComputePrecision::Bf16;
    unknown.source = "Its speed is not in the table of devices: no time is foretold";
    return unknown;
}

} // namespace

DeviceProfile profileOf(const GpuState& gpu)
{
    DeviceProfile profile = withKnownSpeeds(gpu.name);
    profile.name = gpu.name;
    profile.memoryBytes = gpu.freeBytes + gpu.ownBytes;
    profile.takenBytes = gpu.othersBytes();
    const std::string taken =
        profile.takenBytes > 0.0
            ? fmt::format(", {} are taken by other programs", formatBytes(profile.takenBytes))
            : std::string();
    profile.source = fmt::format("Memory as the driver says now: {} of {} are free for this "
                                 "program{}. {}",
                                 formatBytes(profile.memoryBytes), formatBytes(gpu.memoryBytes),
                                 taken, profile.source);
    return profile;
}

} // namespace longlora
