// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/plan/layer_memory.h"

#include <cstdint>
#include <optional>
#include <string>

namespace longlora {

/// How a training step spends memory.
struct StepMemory {
    std::int64_t microBatch = 1; ///< rows at a time
    LayerMemory layers;
    bool operator==(const StepMemory&) const = default;
};

/// What does not change when a step gets leaner.
struct StepScope {
    std::int64_t layerCount = 1;
    std::int64_t rowTokens = 1;
    bool mayOffload = false; ///< there is a device beside the host, and the config lets it use both
};

struct LeanerStep {
    StepMemory memory;
    std::string change; ///< in words: "the MLP works on 256 tokens at a time instead of 1,024"
};

/// The next stage for a step that found too little memory, from what costs least time to what costs
/// most: a smaller tile of the MLP, fewer rows at a time, the layers that keep most compute one
/// level more again, their inputs wait on the host. Gradients stay the same: bit by bit when
/// layers compute again or wait on the host, up to rounding with other tiles or rows at a time.
/// Nothing: nothing leaner is left. Pure.
std::optional<LeanerStep> leanerStep(const StepMemory& now, const StepScope& scope);

} // namespace longlora
