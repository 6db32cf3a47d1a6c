// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event_sink.h"
#include "core/spec/plan/memory_planner.h"

#include <string>
#include <vector>

namespace longlora::app {

class Console;

/// What a plan said and what a dry run of two steps and a checkpoint measured, side by side. It
/// stands before another sink and passes everything on.
class DryRun : public EventSink {
public:
    /// `next` outlives this.
    DryRun(MemoryPlan plan, const RunConfig& config, EventSink& next);
    void post(const Event& event) noexcept override;

    /// A line for each figure: predicted, measured, by how much they differ.
    void print(Console& console) const;
    /// [{"name", "unit", "predicted", "measured"}]; null: not known.
    std::string json() const;

private:
    struct Figure {
        std::string name;
        std::string unit; ///< "bytes", "seconds"
        double predicted = 0.0;
        double measured = 0.0;
    };
    std::vector<Figure> figures() const;

    MemoryPlan m_plan;
    double m_plannedCheckpoint;
    EventSink& m_next;
    StepDone m_lastStep; ///< the first one warms up
    CheckpointWritten m_checkpoint;
};

} // namespace longlora::app
