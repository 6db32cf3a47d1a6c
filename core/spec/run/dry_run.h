// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/plan/memory_planner.h"

#include <string>
#include <vector>

namespace longlora {

/// A figure of the plan beside what a dry run measured; 0: not known.
struct DryRunFigure {
    enum class Kind { PeakMemory, StepTime, CheckpointSize, CheckpointTime };
    Kind kind = Kind::PeakMemory;
    double predicted = 0.0; ///< bytes or seconds
    double measured = 0.0;

    bool isBytes() const { return kind == Kind::PeakMemory || kind == Kind::CheckpointSize; }
    /// By how much the measurement is above the prediction: 0.08 is 8 %; 0 if one is not known.
    double excess() const
    {
        return predicted > 0.0 && measured > 0.0 ? measured / predicted - 1.0 : 0.0;
    }
};

/// Takes the events of a dry run (two full-length steps and a checkpoint write) and sets them
/// beside the plan.
class DryRunRecord {
public:
    DryRunRecord(const MemoryPlan& plan, const RunConfig& config);
    void take(const Event& event);
    /// One of each kind, in that order.
    std::vector<DryRunFigure> figures() const;

private:
    double m_plannedPeak;
    double m_plannedSeconds;
    double m_plannedCheckpoint;
    StepDone m_lastStep; ///< the first one warms up
    CheckpointWritten m_checkpoint;
};

/// Threading: run() is called from a background thread and blocks.
class DryRunService {
public:
    virtual ~DryRunService() = default;
    /// Trains two steps and writes a checkpoint; nothing is kept.
    /// Throws: what the run failed with; Cancelled.
    virtual std::vector<DryRunFigure> run(const RunConfig& config,
                                          const ProgressCallback& progress) = 0;
};

} // namespace longlora
