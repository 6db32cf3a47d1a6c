// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/run/gpu_watch.h"

#include <utility>

namespace longlora {

GpuWatch::GpuWatch(std::string uuid, const std::string& library)
    : m_uuid(std::move(uuid))
{
    if (!m_uuid.empty()) {
        m_driver.emplace(library);
    }
}

std::optional<DeviceMeasured> GpuWatch::look(Clock::time_point now)
{
    if (!m_driver || (m_last && now - *m_last < kPeriod)) {
        return std::nullopt;
    }
    m_last = now;
    const std::optional<GpuState> gpu = m_driver->gpu(m_uuid);
    if (!gpu) {
        return std::nullopt;
    }
    return DeviceMeasured{gpu->memoryBytes, gpu->freeBytes, gpu->othersBytes(),
                          gpu->busy,        gpu->celsius,   gpu->watts};
}

} // namespace longlora
