// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

namespace longlora {

enum class ControlRequest { Hold, Resume, Checkpoint, Stop };

/// "hold", "resume", "checkpoint", "stop"; empty for anything else.
std::optional<ControlRequest> controlRequestFromName(std::string_view name);
std::string controlRequestName(ControlRequest request);

/// What someone wants of a running run. Requests come from buttons, signals and files in any
/// thread; the trainer asks at step boundaries. Hold and Resume replace each other; Checkpoint and
/// Stop stay until taken. All members are safe in any thread; request() also in a signal handler.
class RunControl {
public:
    void request(ControlRequest request) noexcept;

    bool holdRequested() const noexcept { return m_hold.load(); }
    bool stopRequested() const noexcept { return m_stop.load(); }
    /// True once per Checkpoint request.
    bool takeCheckpointRequest() noexcept { return m_checkpoint.exchange(false); }

private:
    std::atomic<bool> m_hold{false};
    std::atomic<bool> m_stop{false};
    std::atomic<bool> m_checkpoint{false};
};

} // namespace longlora
