// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/recompute_choice.h"

#include "core/spec/config/config_issues.h"

#include <algorithm>

namespace longlora {

double layerGraphBytes(const ModelConfig& model, const RunConfig& config, std::int64_t tokens,
                       double bytesPerElement)
{
    const auto hidden = static_cast<double>(model.hiddenSize);
    const auto queries = static_cast<double>(model.headCount * model.headDim);
    const auto keys = static_cast<double>(model.kvHeadCount * model.headDim);
    const auto inner = static_cast<double>(model.intermediateSize);
    // The layer's input, the residual sum after attention, and both normed, which LoRA reads.
    const double norms = 4.0 * hidden;
    // q and k rotated, v, the result.
    const double attention = 2.0 * queries + 2.0 * keys;
    // gate and up; their product only where down_proj is trained.
    const auto& targets = config.lora.targets;
    const bool trainsDown = config.method == TrainingMethod::Full ||
                            std::find(targets.begin(), targets.end(), "down_proj") != targets.end();
    const double mlp = (trainsDown ? 3.0 : 2.0) * inner;
    const double lora =
        config.method == TrainingMethod::Lora
            ? static_cast<double>(config.lora.rank) * static_cast<double>(targets.size())
            : 0.0;
    return static_cast<double>(tokens) * (norms + attention + mlp + lora) * bytesPerElement;
}

RecomputeLevel resolvedRecompute(const ModelConfig& model, const RunConfig& config)
{
    if (config.memory.recompute != RecomputeLevel::Auto) {
        return config.memory.recompute;
    }
    const std::int64_t tokens = rowLength(model, config) * config.batch.microBatch;
    // Counted in fp32 whatever the precision, so that the choice depends on the shape alone.
    const double kept =
        layerGraphBytes(model, config, tokens, 4.0) * static_cast<double>(model.layerCount);
    return kept <= kKeptGraphsLimitBytes ? RecomputeLevel::None : RecomputeLevel::Full;
}

} // namespace longlora
