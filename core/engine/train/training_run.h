// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"
#include "core/spec/events/event_sink.h"
#include "core/spec/run/run_control.h"
#include "core/spec/run/run_directory.h"

#include <filesystem>
#include <vector>

namespace longlora {

struct TrainingOptions {
    std::filesystem::path initialAdapter; ///< empty: LoRA's usual start (B = 0)
    bool dryRun =
        false; ///< two full-length steps and a checkpoint write, then stop; result kept out
};

/// What a run came to; the same as its last event and more.
struct TrainingResult {
    RunFinished finished;
    std::vector<double> losses; ///< one per optimizer step
    std::exception_ptr failure; ///< what ended a Failed run
};

/// Builds the parts of a run from its configuration, owns them, and runs them to the end. One class
/// used three ways: in a worker thread, in the headless program, in tests. Posts to `sink` and to
/// the run's event file. Never throws: failures become RunFinished and `failure`.
/// Threading: blocks the calling thread; `control` may be used from others.
TrainingResult runTraining(const RunConfig& config, const RunDirectory& directory,
                           const TrainingOptions& options, EventSink& sink, RunControl& control);

} // namespace longlora
