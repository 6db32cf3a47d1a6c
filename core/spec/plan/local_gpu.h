// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/plan/device_profile.h"
#include "core/spec/plan/nvidia_driver.h"

namespace longlora {

/// A GPU of this machine as a plan needs it: what other programs take of its memory is not there.
/// Speeds are those of the table of devices, where it knows the name that the driver gives it.
DeviceProfile profileOf(const GpuState& gpu);

} // namespace longlora
