// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/run/dry_run.h"

#include <algorithm>

namespace longlora {

DryRunRecord::DryRunRecord(const MemoryPlan& plan, const RunConfig& config)
    : m_plannedPeak(plan.peakBytes)
    , m_plannedSeconds(plan.secondsPerStep)
    // Of the plan's disk, which holds those kept, one in the making and the result.
    , m_plannedCheckpoint(
          plan.diskBytes /
          static_cast<double>(std::max<std::int64_t>(1, config.checkpoint.keep) + 2))
{}

void DryRunRecord::take(const Event& event)
{
    if (const auto* started = std::get_if<RunStarted>(&event.body)) {
        m_plannedPeak = started->plannedPeakBytes; // with what is resident when the run begins
    } else if (const auto* step = std::get_if<StepDone>(&event.body)) {
        m_lastStep = *step;
    } else if (const auto* written = std::get_if<CheckpointWritten>(&event.body)) {
        m_checkpoint = *written;
    }
}

std::vector<DryRunFigure> DryRunRecord::figures() const
{
    using Kind = DryRunFigure::Kind;
    return {{Kind::PeakMemory, m_plannedPeak, m_lastStep.peakBytes},
            {Kind::StepTime, m_plannedSeconds, m_lastStep.seconds},
            {Kind::CheckpointSize, m_plannedCheckpoint, m_checkpoint.bytes},
            {Kind::CheckpointTime, 0.0, m_checkpoint.seconds}};
}

} // namespace longlora
