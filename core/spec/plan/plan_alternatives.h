// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/error.h"
#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"
#include "core/spec/plan/device_profile.h"
#include "core/spec/plan/memory_planner.h"

#include <cstddef>
#include <string>
#include <vector>

namespace longlora {

/// What makes a run fit that does not: other settings, another device, or both.
struct PlanAlternative {
    std::vector<std::string> settings; ///< as applySetting() takes them
    std::string device;                ///< another's name in the table of devices; empty: the same
    double peakBytes = 0.0;            ///< planned with it
    double memoryBytes = 0.0;          ///< of the device
    RunConfig config;                  ///< the run with it
};

/// The nearest that fit, each planned: first what leaves results as they are (more computed again,
/// smaller tiles and micro-batches), then what changes them (a shorter context, fewer bytes a
/// number, less that is trained), one at a time before several; then devices that would do. All fit
/// with room to spare, and none is offered that this version cannot train. Pure; milliseconds.
std::vector<PlanAlternative> nearestFits(const ModelConfig& model, const RunConfig& config,
                                         const DeviceProfile& device, std::size_t count = 3);

/// "--set context.length=8192 (11.2 GiB)", "an H200 (61.6 of 138 GiB)".
std::string describeAlternative(const PlanAlternative& alternative);

/// Why a run with that plan is refused, and what would fit: one text for `plan` and `train`.
DeviceError planRefusal(const MemoryPlan& plan, const DeviceProfile& device,
                        const std::vector<PlanAlternative>& alternatives);

/// Throws: planRefusal() for a run that `device` has not the memory for.
void requireFits(const ModelConfig& model, const RunConfig& config, const DeviceProfile& device);

} // namespace longlora
