// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/recompute_choice.h"

#include "core/spec/config/config_issues.h"

namespace longlora {

double layerGraphBytes(const ModelConfig& model, const RunConfig& config, std::int64_t tokens,
                       double bytesPerElement)
{
    const auto hidden = static_cast<double>(model.hiddenSize);
    const auto queries = static_cast<double>(model.headCount * model.headDim);
    const auto keys = static_cast<double>(model.kvHeadCount * model.headDim);
    const auto inner = static_cast<double>(model.intermediateSize);
    // Two norms with their input, scaled input and output; the residual sums.
    const double norms = 8.0 * hidden;
    // q and k before and after the rotary embedding, v, the attention's result.
    const double attention = 3.0 * queries + 5.0 * keys;
    const double mlp = 4.0 * inner;
    const double lora = config.method == TrainingMethod::Lora
                            ? static_cast<double>(config.lora.rank) *
                                  static_cast<double>(config.lora.targets.size())
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
