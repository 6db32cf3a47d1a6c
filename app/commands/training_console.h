// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event_sink.h"

#include <string>

namespace longlora::app {

class Console;

/// Tells a run on standard error as it happens.
class TrainingConsole : public EventSink {
public:
    /// `console` outlives this.
    explicit TrainingConsole(Console& console);
    void post(const Event& event) noexcept override;

private:
    void tell(const RunStarted& started);
    void tell(const StepDone& step);
    void tell(const HeldOutMeasured& measured);
    void tell(const StateChanged& changed);
    void tell(const CheckpointWritten& written);
    void tell(const Message& message);
    void tell(const RunFinished& finished);
    void tell(const DeviceMeasured&) {} ///< for those who look on

    Console& m_console;
    std::int64_t m_totalSteps = 0;
};

} // namespace longlora::app
