// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/bench/machine_peak.h"
#include "core/spec/base/progress.h"
#include "core/spec/plan/memory_planner.h"

namespace longlora {

/// Real optimizer steps on random weights and tokens, beside what the machine could do.
struct TrainingBench {
    std::int64_t tokensPerStep = 0;
    std::int64_t steps = 0;        ///< measured, after one that warms up
    double secondsPerStep = 0.0;   ///< median
    double peakBytes = 0.0;        ///< of the steps, with everything the process holds
    double plannedPeakBytes = 0.0; ///< what planMemory() says
    LayerMemory memory;
    double executedFlops = 0.0; ///< of a step, with what is computed again
    double modelFlops = 0.0;    ///< of a step that computes nothing again
    MachinePeak machine;

    double tokensPerSecond() const { return static_cast<double>(tokensPerStep) / secondsPerStep; }
    /// A step at the speed of a large matrix product.
    double floorSeconds() const { return executedFlops / machine.flopsPerSecond; }
    /// Hardware FLOPs utilisation (Chowdhery et al. 2022, arXiv:2204.02311, app. B).
    double hfu() const { return floorSeconds() / secondsPerStep; }
    /// Model FLOPs utilisation (ibid.): what is computed again does not count. Weights that are
    /// frozen have no gradient, so it is not the 6 FLOPs per weight and token of full training.
    double mfu() const { return modelFlops / machine.flopsPerSecond / secondsPerStep; }
};

/// `config` says how to train a model of that shape; its data and schedule are not read.
/// Throws: Cancelled, DeviceError.
TrainingBench benchTraining(const ModelConfig& shape, const RunConfig& config, std::int64_t steps,
                            const ProgressCallback& progress);

} // namespace longlora
