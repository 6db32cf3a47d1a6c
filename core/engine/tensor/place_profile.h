// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/plan/device_profile.h"

#include <ATen/core/Tensor.h>

#include <string>

namespace longlora {

/// `device` of this machine as a plan needs it: the processor's memory and threads, or of a GPU
/// what other programs leave of its memory now. Makes no benchmark. Of a GPU NVIDIA's driver is
/// asked, and CUDA where that does not answer (which opens its context there).
/// Throws: DeviceError if the GPU does not answer.
DeviceProfile placeProfile(const c10::Device& device);

/// The GPU's name for NvidiaDriver::gpu(); empty for a processor, and where CUDA does not tell.
std::string placeUuid(const c10::Device& device);

} // namespace longlora
