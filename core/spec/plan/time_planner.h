// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"
#include "core/spec/plan/device_profile.h"
#include "core/spec/plan/layer_memory.h"

#include <string>
#include <vector>

namespace longlora {

struct PlanQuantities;

/// Floating-point operations of one optimizer step, averaged over the run where its last part runs
/// with full attention. With P the numbers in a layer's linear maps, per token and layer: 2P
/// forward, 2P for the gradient of the input, 2 for each number of a map that is computed again, 2P
/// for gradients of the weights where these are trained; LoRA 6 for each of its numbers; the head 2
/// or 3 times 2 x vocabulary x hidden; attention 4 x head_dim per head and visible pair forward,
/// 2.5 times that backward, once more where it is computed again. Of devices that share rows, all
/// together; of those that do not, each.
double stepFlops(const ModelConfig& model, const RunConfig& config, const LayerMemory& memory);

/// Part of a step's time.
struct TimeItem {
    std::string name;
    double seconds = 0.0;
    std::string formula;
};

/// How long a step takes on devices of known speed, and how much of them it uses.
struct StepTime {
    double seconds = 0.0;            ///< 0: the speed is unknown
    double flops = 0.0;              ///< of one step on one device
    double modelFlops = 0.0;         ///< the same without what is computed again
    double tokens = 0.0;             ///< of one step, on all devices
    double peakFlopsPerSecond = 0.0; ///< of one device; 0: unknown
    std::vector<TimeItem> items;     ///< their sum is `seconds`; empty in an outline

    double tokensPerSecond() const { return seconds > 0.0 ? tokens / seconds : 0.0; }
    double hoursPerThousandSteps() const { return seconds / 3.6; }
    /// Hardware utilisation: flops / (seconds x peak); 0: unknown.
    double hardwareUse() const { return useOf(flops); }
    /// Model utilisation: modelFlops / (seconds x peak); 0: unknown.
    double modelUse() const { return useOf(modelFlops); }

private:
    double useOf(double operations) const
    {
        return seconds > 0.0 && peakFlopsPerSecond > 0.0
                   ? operations / (seconds * peakFlopsPerSecond)
                   : 0.0;
    }
};

/// Of `config` on devices that are each `device`, with what `q` says of weights and memory. Items
/// and their formulas only `withItems`.
StepTime planStepTime(const ModelConfig& model, const RunConfig& config,
                      const DeviceProfile& device, const PlanQuantities& q, bool withItems);

/// Pairs of a query and a key that it sees, of one head in one row of `length` tokens; averaged
/// over both halves of the heads and over the steps. `window`: the model's sliding window, 0: none.
double visiblePairs(const RunConfig& config, std::int64_t window, std::int64_t length);

/// Numbers in the linear maps of one layer.
double layerLinearNumbers(const ModelConfig& model);

} // namespace longlora
