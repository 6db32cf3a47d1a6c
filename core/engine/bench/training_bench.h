// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/bench/machine_peak.h"
#include "core/spec/base/progress.h"
#include "core/spec/plan/memory_planner.h"

namespace longlora {

/// Real optimizer steps on random weights and tokens, beside what the machine could do meanwhile.
/// Where others share it, its speed changes threefold within minutes: the product that makes the
/// floor is measured before and after every step, which is held against these two alone.
struct TrainingBench {
    std::int64_t tokensPerStep = 0;
    std::int64_t steps = 0;        ///< measured, after one that warms up
    double secondsPerStep = 0.0;   ///< median
    double peakBytes = 0.0;        ///< of the steps, with everything the process holds
    double plannedPeakBytes = 0.0; ///< what planMemory() says
    LayerMemory memory;
    double executedFlops = 0.0; ///< of a step, with what is computed again
    double modelFlops = 0.0;    ///< of a step that computes nothing again
    /// What the product computes in the time of a step: median.
    double productFlops = 0.0;
    MachinePeak machine;             ///< its product: the median
    double bestFlopsPerSecond = 0.0; ///< of all these products
    double ownFlopsPerSecond = 0.0;  ///< median of ProductMaker::Ours, measured beside them

    double tokensPerSecond() const { return static_cast<double>(tokensPerStep) / secondsPerStep; }
    /// A step at the speed of a large matrix product.
    double floorSeconds() const { return hfu() * secondsPerStep; }
    /// Hardware FLOPs utilisation (Chowdhery et al. 2022, arXiv:2204.02311, app. B), with
    /// LibTorch's product for the hardware's peak, which a processor in a shared machine does not
    /// tell.
    double hfu() const { return executedFlops / productFlops; }
    /// Model FLOPs utilisation (ibid.): what is computed again does not count. Weights that are
    /// frozen have no gradient, so it is not the 6 FLOPs per weight and token of full training.
    double mfu() const { return modelFlops / productFlops; }
};

/// `config` says how to train a model of that shape; its data and schedule are not read.
/// Throws: Cancelled, DeviceError.
TrainingBench benchTraining(const ModelConfig& shape, const RunConfig& config, std::int64_t steps,
                            const ProgressCallback& progress);

} // namespace longlora
