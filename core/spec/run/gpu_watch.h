// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event.h"
#include "core/spec/plan/nvidia_driver.h"

#include <chrono>
#include <optional>
#include <string>

namespace longlora {

/// What a run tells of the GPU it computes on, now and then.
class GpuWatch {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds kPeriod{2};

    /// `uuid` empty: there is no GPU, and nothing to tell. `library` as of NvidiaDriver.
    explicit GpuWatch(std::string uuid, const std::string& library = "libnvidia-ml.so.1");

    /// Nothing where it looked less than kPeriod ago, or the driver does not answer.
    std::optional<DeviceMeasured> look(Clock::time_point now);

private:
    std::string m_uuid;
    std::optional<NvidiaDriver> m_driver;
    std::optional<Clock::time_point> m_last;
};

} // namespace longlora
