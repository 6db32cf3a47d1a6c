// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/recompute_choice.h"

#include "core/spec/config/config_issues.h"
#include "core/spec/config/model_family.h"

#include <algorithm>
#include <string_view>

namespace longlora {

double layerGraphBytes(const ModelConfig& model, const RunConfig& config, std::int64_t tokens,
                       double bytesPerElement)
{
    const auto hidden = static_cast<double>(model.hiddenSize);
    const auto queries = static_cast<double>(model.headCount * model.headDim);
    const auto keys = static_cast<double>(model.kvHeadCount * model.headDim);
    const auto inner = static_cast<double>(model.intermediateSize);
    // The layer's input, the residual sum after attention (a parallel MLP reads the input), and
    // both normed, which LoRA reads.
    const double norms = (model.parallelResidual ? 3.0 : 4.0) * hidden;
    // q and k rotated, v, the result; q and k before their norms.
    const double attention =
        2.0 * queries + 2.0 * keys + (model.queryKeyNorm ? queries + keys : 0.0);
    // gate and up, or up alone; what comes of them only where the last map is trained.
    const auto& targets = config.lora.targets;
    const std::string_view down = familyOf(model).loraName(ModelPart::Down);
    const bool trainsDown = config.method == TrainingMethod::Full ||
                            std::find(targets.begin(), targets.end(), down) != targets.end();
    const double mlp = ((model.gatedMlp ? 2.0 : 1.0) + (trainsDown ? 1.0 : 0.0)) * inner;
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
