// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/bench/machine_peak.h"
#include "core/spec/base/progress.h"
#include "core/spec/config/model_config.h"
#include "core/spec/run/kv_format.h"

namespace longlora {

/// A model of random weights that reads a text and goes on with it, beside what the machine could
/// do: reading is bound by arithmetic, each further token by the memory it must see.
struct GenerationBench {
    std::int64_t promptTokens = 0;
    std::int64_t newTokens = 0;
    double prefillSeconds = 0.0;
    double secondsPerToken = 0.0; ///< of a new token, median
    double peakBytes = 0.0;
    double prefillFlops = 0.0;
    double bytesPerToken = 0.0; ///< weights and cached keys and values, seen once for a new token
    bool usesGraph = false;     ///< new tokens are one CUDA graph each
    MachinePeak machine;

    double prefillFloorSeconds() const { return prefillFlops / machine.flopsPerSecond; }
    double tokenFloorSeconds() const { return bytesPerToken / machine.bytesPerSecond; }
};

struct GenerationLoad {
    std::int64_t promptTokens = 0;
    std::int64_t newTokens = 0;
    KvFormat cache = KvFormat::Model;
};

/// Throws: Cancelled, DeviceError.
GenerationBench benchGeneration(const ModelConfig& shape, const ComputePlace& place,
                                const GenerationLoad& load, const ProgressCallback& progress);

} // namespace longlora
