// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/run/run_control.h"

namespace longlora::app {

class Console;

/// While it lives, SIGINT and SIGTERM ask to stop, SIGUSR1 asks for a checkpoint; a second SIGINT
/// ends the program at once. One at a time.
class StopSignals {
public:
    StopSignals();
    ~StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;

    RunControl& control() noexcept { return m_control; }
    bool stopRequested() const noexcept { return m_control.stopRequested(); }
    /// Shows progress on `console` and asks the work to end once a signal came. This and `console`
    /// outlive the callback.
    ProgressCallback progress(Console& console) const;

private:
    RunControl m_control;
};

} // namespace longlora::app
