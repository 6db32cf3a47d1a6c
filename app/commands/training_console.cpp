// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/training_console.h"

#include "app/commands/console.h"
#include "core/spec/base/units.h"

#include <fmt/format.h>

#include <cmath>

namespace longlora::app {

TrainingConsole::TrainingConsole(Console& console)
    : m_console(console)
{}

void TrainingConsole::post(const Event& event) noexcept
{
    try {
        std::visit([this](const auto& body) { tell(body); }, event.body);
    } catch (...) {
        // A terminal that cannot be written to must not end a run.
    }
}

void TrainingConsole::tell(const RunStarted& started)
{
    m_totalSteps = started.totalSteps;
    m_console.note(fmt::format("{} steps of {} rows x {} tokens; {} on {}, {}",
                               formatCount(started.totalSteps), started.rowsPerStep,
                               formatCount(started.rowTokens), started.attention, started.device,
                               started.precision));
    m_console.note(fmt::format("{} of {} parameters are trained; planned peak {}",
                               formatCount(started.trainableParameters),
                               formatCount(started.parameters),
                               formatBytes(started.plannedPeakBytes)));
}

void TrainingConsole::tell(const StepDone& step)
{
    const double left = static_cast<double>(m_totalSteps - step.step) * step.seconds;
    m_console.show({"training", step.step, m_totalSteps, "steps"},
                   fmt::format("loss {:.4f}  {:.0f} tokens/s  {}  {} left", step.loss,
                               step.tokensPerSecond, formatBytes(step.peakBytes),
                               formatDuration(left)));
}

void TrainingConsole::tell(const HeldOutMeasured& measured)
{
    m_console.note(fmt::format("step {}: held-out loss {:.4f} (perplexity {:.2f})", measured.step,
                               measured.loss, std::exp(measured.loss)));
}

void TrainingConsole::tell(const StateChanged& changed)
{
    if (changed.state == RunState::Held) {
        m_console.note("held " + changed.detail);
    } else if (!changed.detail.empty()) {
        m_console.note(changed.detail);
    }
}

void TrainingConsole::tell(const CheckpointWritten& written)
{
    m_console.note(fmt::format("checkpoint of step {}: {} in {}", written.step,
                               formatBytes(written.bytes), formatDuration(written.seconds)));
}

void TrainingConsole::tell(const Message& message)
{
    const char* prefix = message.level == MessageLevel::Info      ? ""
                         : message.level == MessageLevel::Warning ? "warning: "
                                                                  : "error: ";
    m_console.note(prefix + message.text);
}

void TrainingConsole::tell(const RunFinished& finished)
{
    if (finished.outcome == RunOutcome::Completed) {
        m_console.note(fmt::format("done: {} steps in {}, peak {} (planned {})", finished.steps,
                                   formatDuration(finished.seconds),
                                   formatBytes(finished.peakBytes),
                                   formatBytes(finished.plannedPeakBytes)));
    }
}

} // namespace longlora::app
