// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event.h"

#include <filesystem>
#include <string>
#include <vector>

namespace longlora {

/// One line of the table of runs, read from a run directory alone.
struct RunSummary {
    std::filesystem::path folder;
    std::string name;
    std::string model;
    std::int64_t contextLength = 0;
    RunState state = RunState::Preparing; ///< Finished also for a run whose process is gone
    RunOutcome outcome = RunOutcome::Completed;
    bool interrupted = false; ///< its process died without saying that it finished
    std::int64_t steps = 0;
    std::int64_t totalSteps = 0;
    double finalLoss = 0.0;
    double tokensPerSecond = 0.0;
    double seconds = 0.0;
    double peakBytes = 0.0;
    double plannedPeakBytes = 0.0;
    double started = 0.0;       ///< seconds since 1970
    std::vector<double> losses; ///< at most 200 points, for a sparkline
};

/// Every run directly under `folder`, newest first. Unreadable ones are left out.
std::vector<RunSummary> listRuns(const std::filesystem::path& folder);
/// Throws: DataError if `folder` is no run.
RunSummary summarizeRun(const std::filesystem::path& folder);

/// Where runs go unless told otherwise: $XDG_DATA_HOME/longlora-workbench/runs.
std::filesystem::path defaultRunsFolder();
/// A new, not yet existing folder under `parent`: "2026-05-01-153012-name".
std::filesystem::path newRunFolder(const std::filesystem::path& parent, const std::string& name);

} // namespace longlora
