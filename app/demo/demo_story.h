// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/demo/demo_material.h"
#include "app/demo/demo_measurement.h"
#include "core/engine/infer/generator.h"
#include "core/engine/train/training_run.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/run/services.h"

#include <filesystem>
#include <string>
#include <vector>

namespace longlora::app {

class Console;
class StopSignals;

/// Everything the demo did, as it was measured.
struct DemoResult {
    DemoMaterial material;
    ModelConfig model;
    std::int64_t contextBefore = 0; ///< tokens
    std::int64_t contextAfter = 0;
    DeviceProfile device;
    MemoryPlan plan;
    std::vector<DemoMeasurement> models; ///< base, untrained scaling, extended
    RunStarted started;
    std::vector<StepDone> steps;
    std::vector<HeldOutMeasured> heldOut;
    RunFinished finished;
    MergeReport merge;
    GenerationResult answer;
    double seconds = 0.0; ///< the whole story

    const DemoMeasurement& base() const { return models.at(0); }
    const DemoMeasurement& untrained() const { return models.at(1); }
    const DemoMeasurement& extended() const { return models.at(2); }
    /// Lengths measured at, ascending: 1, 2 and 4 times the base's context.
    std::vector<std::int64_t> lengths() const;
};

/// Plans, measures the base and the untrained scaling, trains into `folder`/run, measures the
/// extended model, merges into `folder`/merged, asks the question. `folder` exists and is empty.
/// Throws: Error kinds; Cancelled.
DemoResult tellDemo(DemoMaterial material, const std::filesystem::path& folder, Console& console,
                    StopSignals& signals);

} // namespace longlora::app
