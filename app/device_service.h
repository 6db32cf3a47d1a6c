// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/services.h"

#include <memory>

namespace longlora::app {

/// localCpuProfile() with its speed in fp32 and, where it is fast in it, bf16.
DeviceProfile measuredCpuProfile();

/// DeviceService by the engine of this process.
std::unique_ptr<DeviceService> makeDeviceService();

} // namespace longlora::app
