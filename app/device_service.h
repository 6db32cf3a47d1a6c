// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/services.h"

#include <memory>

namespace longlora::app {

/// localCpuProfile() with its speed in fp32 and, where it is fast in it, bf16.
DeviceProfile measuredCpuProfile();

/// Where a run with that devices.kind computes on this machine. A processor's speed is measured, in
/// about a second; a GPU's is that of the table of devices.
/// Throws: DeviceError if there is no such device.
DeviceProfile profileHere(DeviceKind kind);

/// DeviceService by the engine of this process.
std::unique_ptr<DeviceService> makeDeviceService();

} // namespace longlora::app
