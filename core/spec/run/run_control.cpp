// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/run/run_control.h"

#include <array>

namespace longlora {

namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, 4> kNames = {"hold", "resume", "checkpoint", "stop"};

} // namespace

std::optional<ControlRequest> controlRequestFromName(std::string_view name)
{
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (name == kNames[i]) {
            return static_cast<ControlRequest>(i);
        }
    }
    return std::nullopt;
}

std::string controlRequestName(ControlRequest request)
{
    return std::string(kNames[static_cast<std::size_t>(request)]);
}

void RunControl::request(ControlRequest request) noexcept
{
    // Called in signal handlers: nothing but lock-free stores.
    static_assert(std::atomic<bool>::is_always_lock_free);
    switch (request) {
    case ControlRequest::Hold:
        m_hold.store(true);
        break;
    case ControlRequest::Resume:
        m_hold.store(false);
        break;
    case ControlRequest::Checkpoint:
        m_checkpoint.store(true);
        break;
    case ControlRequest::Stop:
        m_stop.store(true);
        break;
    }
}

} // namespace longlora
