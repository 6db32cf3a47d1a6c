// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"
#include "core/spec/events/event.h"
#include "core/spec/plan/layer_memory.h"

#include <cstdint>
#include <string>
#include <vector>

namespace longlora {

/// The device a plan is made for.
struct DeviceProfile {
    std::string name; ///< "CPU, 2 threads"
    DeviceKind kind = DeviceKind::Cpu;
    double memoryBytes = 0.0; ///< usable by this process
    /// Resident without a run: program, libraries, and whatever else it holds.
    double programBytes = 114.0 * 1024.0 * 1024.0;
    /// Sustained while training, as stepFlops() counts; 0: unknown.
    double fp32FlopsPerSecond = 0.0;
    double bf16FlopsPerSecond = 0.0;
    /// What precision.compute auto means there; never Auto.
    ComputePrecision autoPrecision = ComputePrecision::Fp32;

    /// The speed in that precision; fp64 counts as half of fp32. 0: unknown.
    double flopsPerSecond(ComputePrecision precision) const;
};

/// This machine's processor and memory. Reads /proc and the number of cores; makes no benchmark.
/// What the program itself takes is what is resident at the call: make it before a model is loaded.
DeviceProfile localCpuProfile();

struct MemoryPlan {
    std::vector<PlannedItem> items; ///< named, each with its formula in words and numbers
    double peakBytes = 0.0;         ///< sum of the items alive at the peak
    bool fits = true;
    std::int64_t largestContext = 0; ///< tokens, everything else unchanged; 0: none
    std::int64_t trainableParameters = 0;
    double trainableBytes = 0.0; ///< weights, gradients and moments of what is trained
    double diskBytes = 0.0;      ///< checkpoints kept and the result
    LayerMemory layerMemory;     ///< what memory.recompute and memory.tile come to
    double flopsPerStep = 0.0;
    double secondsPerStep = 0.0; ///< 0: the device's speed is unknown
};

/// Pure: no file, no device is touched; microseconds. Works with what is typed so far; a config
/// that cannot run still gets its figures.
MemoryPlan planMemory(const ModelConfig& model, const RunConfig& config,
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
