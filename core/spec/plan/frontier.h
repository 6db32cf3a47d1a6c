// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"
#include "core/spec/plan/device_profile.h"

#include <cstdint>
#include <string>
#include <vector>

namespace longlora {

/// Of a device's memory, what a run may take without being tight: fragmentation needs the rest.
inline constexpr double kRoomyShare = 0.9;
/// Whether a plan fits a device.
enum class PlanVerdict { Fits, Tight, No };
PlanVerdict verdictOf(double peakBytes, double memoryBytes);
/// "fits", "tight", "no".
std::string verdictName(PlanVerdict verdict);

/// What a run becomes with another length on another number of devices: as many rows a step as
/// before; rows are shared by as few devices as makes it fit.
struct FrontierCell {
    PlanVerdict verdict = PlanVerdict::No;
    double peakBytes = 0.0;             ///< of each device
    double hoursPerThousandSteps = 0.0; ///< 0: the speed is unknown
    std::int64_t sequenceParallel = 1;
    std::int64_t accumulation = 1;
};

/// Contexts x devices.
struct Frontier {
    std::vector<std::int64_t> contexts; ///< tokens, ascending
    std::vector<std::int64_t> devices;  ///< counts, ascending
    std::vector<FrontierCell> cells;    ///< all devices of the first context, then of the next

    const FrontierCell& at(std::size_t context, std::size_t device) const
    {
        return cells[context * devices.size() + device];
    }
};

/// Doublings of the model's own context and the run's own length, times 1, 2, 4, 8 devices and the
/// run's own number. Pure; about a millisecond.
Frontier planFrontier(const ModelConfig& model, const RunConfig& config,
                      const DeviceProfile& device);

/// The run that a cell stands for.
RunConfig configOf(const RunConfig& config, const Frontier& frontier, std::size_t context,
                   std::size_t device);

} // namespace longlora
