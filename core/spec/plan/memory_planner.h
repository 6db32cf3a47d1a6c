// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"
#include "core/spec/events/event.h"
#include "core/spec/plan/device_profile.h"
#include "core/spec/plan/embedding_rows.h"
#include "core/spec/plan/layer_memory.h"
#include "core/spec/plan/time_planner.h"

#include <cstdint>
#include <string>
#include <vector>

namespace longlora {

/// A forecast for one device; where a run takes several, all of them look the same.
struct MemoryPlan {
    std::vector<PlannedItem> items;  ///< named, each with its formula in words and numbers
    double peakBytes = 0.0;          ///< sum of the items alive at the peak
    bool fits = true;                ///< device and machine
    std::int64_t largestContext = 0; ///< tokens, everything else unchanged; 0: none
    std::int64_t trainableParameters = 0;
    double trainableBytes = 0.0; ///< weights, gradients and moments of what is trained
    double hostBytes = 0.0;      ///< of the machine, what memory.offload keeps there
    bool hostFits = true;        ///< whether it has that for all devices, where that is known
    double diskBytes = 0.0;      ///< checkpoints kept and the result
    LayerMemory layerMemory;     ///< what memory.recompute and memory.tile come to
    std::string sharding;        ///< how several devices divide the run; empty: there is one
    double flopsPerStep = 0.0;   ///< on one device
    double secondsPerStep = 0.0; ///< 0: the device's speed is unknown
    StepTime time;               ///< what these seconds are made of
};

/// Pure: no file, no device is touched; microseconds. Works with what is typed so far; a config
/// that cannot run still gets its figures. Of several devices (config.devices) each is `device`.
/// Without facts on the data it plans for data that has every token of the vocabulary.
MemoryPlan planMemory(const ModelConfig& model, const RunConfig& config,
                      const DeviceProfile& device, const DataFacts& data = {});

/// The two figures of a plan that are cheap enough for hundreds of plans a keystroke.
struct PlanOutline {
    double peakBytes = 0.0;
    bool hostFits = true;
    StepTime time;
};
PlanOutline outlinePlan(const ModelConfig& model, const RunConfig& config,
                        const DeviceProfile& device);

/// {"items": [{"name", "bytes", "formula"}], "peak_bytes", "fits", "seconds_per_step",
/// "largest_context", ...} indent 2.
std::string memoryPlanToJson(const MemoryPlan& plan);

/// Trained numbers by what they belong to.
struct TrainableCount {
    std::int64_t lora = 0;
    std::int64_t embeddings = 0;
    std::int64_t norms = 0;
    std::int64_t other = 0; ///< method full: everything else
    std::int64_t total() const { return lora + embeddings + norms + other; }
};
TrainableCount countTrainable(const ModelConfig& model, const RunConfig& config);

} // namespace longlora
