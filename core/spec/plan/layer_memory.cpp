// SPDX-License-Identifier: GPL-3.0-or-later
// Counts follow core/engine/train/layer, tensor by tensor. Widths: d hidden, f intermediate,
// q and kv all query and all key heads.
#include "core/spec/plan/layer_memory.h"

#include "core/spec/config/config_issues.h"
#include "core/spec/config/model_family.h"
#include "core/spec/config/model_weights.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace longlora {

namespace {

struct Widths {
    explicit Widths(const ModelConfig& model)
        : d(static_cast<double>(model.hiddenSize))
        , f(static_cast<double>(model.intermediateSize))
        , q(static_cast<double>(model.headCount * model.headDim))
        , kv(static_cast<double>(model.kvHeadCount * model.headDim))
    {}
    double d, f, q, kv;

    double projections() const { return q + 2.0 * kv; }
};

bool isLoraTarget(const ModelConfig& model, const RunConfig& config, ModelPart part)
{
    const auto& targets = config.lora.targets;
    const std::string_view name = familyOf(model).loraName(part);
    return config.method == TrainingMethod::Lora &&
           std::find(targets.begin(), targets.end(), name) != targets.end();
}

bool trainsDown(const ModelConfig& model, const RunConfig& config)
{
    return config.method == TrainingMethod::Full || isLoraTarget(model, config, ModelPart::Down);
}

double gateAndUp(const ModelConfig& model, RecomputeLevel level)
{
    return level < RecomputeLevel::Mlp
               ? (model.gatedMlp ? 2.0 : 1.0) * static_cast<double>(model.intermediateSize)
               : 0.0;
}

/// Kept for the MLP's backward, and gone when attention's begins: a parallel MLP's comes after it.
double keptForMlp(const ModelConfig& model, RecomputeLevel level)
{
    if (model.parallelResidual) {
        return 0.0;
    }
    const double sum = level < RecomputeLevel::Output ? static_cast<double>(model.hiddenSize) : 0.0;
    return gateAndUp(model, level) + sum;
}

} // namespace

StackedLora stackedLora(const ModelConfig& model, const RunConfig& config)
{
    StackedLora stacked;
    const auto rank = static_cast<double>(std::max<std::int64_t>(0, config.lora.rank));
    for (const WeightShape& shape : layerWeightShapes(model, 0)) {
        const ModelPart part = shape.part;
        const bool isMlp = part == ModelPart::Gate || part == ModelPart::Up;
        const bool isAttention = isAttentionLinear(part) && part != ModelPart::AttentionOutput;
        if (!shape.isBias && (isMlp || isAttention) && isLoraTarget(model, config, part)) {
            (isMlp ? stacked.mlpRank : stacked.attentionRank) += rank;
            stacked.numbers += rank * static_cast<double>(shape.sizes[0] + shape.sizes[1]);
        }
    }
    return stacked;
}

double keptPerToken(const ModelConfig& model, RecomputeLevel level)
{
    const Widths w(model);
    double kept = w.d; // the layer's input
    if (level < RecomputeLevel::Full) {
        kept += w.q; // attention's result
    }
    if (level < RecomputeLevel::Output && !model.parallelResidual) {
        kept += w.d; // the residual sum after attention
    }
    if (level < RecomputeLevel::Qkv) {
        kept += w.projections();
    }
    return kept + gateAndUp(model, level);
}

double attentionCallWidth(const ModelConfig& model, const RunConfig& config)
{
    const bool isHalved = config.attention.kind == AttentionKind::S2 && model.kvHeadCount > 1;
    const std::int64_t heads = isHalved ? (model.kvHeadCount + 1) / 2 : model.kvHeadCount;
    return 4.0 * static_cast<double>(heads * model.headDim);
}

double attentionScratchBytes(const ModelConfig& model, const RunConfig& config, double length,
                             double computeBytes)
{
    const std::int64_t group = groupSize(config.attention, static_cast<std::int64_t>(length));
    const double keys = config.attention.kind == AttentionKind::S2
                            ? std::min(length, static_cast<double>(group))
                            : length;
    return keys * static_cast<double>(model.headDim) * (3.0 * computeBytes + 2.0 * 4.0);
}

double workedOn(const ModelConfig& model, const RunConfig& config, const LayerWork& work)
{
    const auto& [level, mlpTile, tokens, tileTokens, attentionExtra, lora] = work;
    const double part = tileTokens > 0.0 ? std::min(tileTokens, tokens) : tokens;
    const Widths w(model);
    const double attentionAgain = level >= RecomputeLevel::Full  ? w.projections() + w.q
                                  : level >= RecomputeLevel::Qkv ? w.projections()
                                                                 : 0.0;
    // Rotated copies where the projections themselves must stay for the norms' gradients.
    const double rotated = model.queryKeyNorm ? w.q + w.kv : 0.0;
    const double attention = attentionAgain + rotated + w.q + w.projections() + lora.attentionRank -
                             keptForMlp(model, level);

    const double tile = mlpTile > 0 ? std::min(static_cast<double>(mlpTile), part) : part;
    const double inner = (model.gatedMlp ? 2.0 : 1.0) * (level < RecomputeLevel::Mlp ? 0.0 : w.f) +
                         w.f + (trainsDown(model, config) ? w.f : 0.0);
    // Before the MLP's backward a missing residual sum is made of attention's result.
    const bool residualFirst = !model.parallelResidual && level >= RecomputeLevel::Output;
    const double beside =
        (residualFirst || model.parallelResidual ? w.d : 0.0) +
        (residualFirst && level >= RecomputeLevel::Full ? w.projections() + w.q : 0.0);
    // A parallel MLP's comes last: what was kept for attention is gone.
    const double gone =
        model.parallelResidual ? keptPerToken(model, level) - w.d - gateAndUp(model, level) : 0.0;
    const double mlp = part * (beside - gone) + tile * (inner + 2.0 * w.d + 2.0 * lora.mlpRank);
    // The gradient of the layer's output is there as a whole.
    return tokens * w.d + std::max(part * attention + attentionExtra, mlp);
}

std::optional<std::int64_t> namedTileTokens(const std::string& tile)
{
    std::int64_t tokens = 0;
    const char* const last = tile.data() + tile.size();
    const auto [end, problem] = std::from_chars(tile.data(), last, tokens);
    const bool isNumber = problem == std::errc() && end == last && tokens > 0;
    return isNumber ? std::optional(tokens) : std::nullopt;
}

std::int64_t mlpTileTokens(const RunConfig& config)
{
    constexpr std::int64_t kAutoTokens = 1024;
    return namedTileTokens(config.memory.tile).value_or(kAutoTokens);
}

std::int64_t groupTileTokens(const RunConfig& config, std::int64_t rowTokens)
{
    constexpr std::int64_t kFewestTokens = 4096;
    const AttentionConfig& attention = config.attention;
    if (attention.kind != AttentionKind::S2 || attention.edge != GroupEdge::Clipped ||
        attention.fullFinalFraction > 0.0) {
        return 0;
    }
    const std::int64_t group = std::max<std::int64_t>(1, groupSize(attention, rowTokens));
    const std::int64_t groups = std::max<std::int64_t>(2, (kFewestTokens + group - 1) / group);
    return 2 * groups * group <= rowTokens ? groups * group : 0;
}

LayerMemory chooseLayerMemory(const ModelConfig& model, const RunConfig& config, double tokens,
                              double numbers)
{
    LayerMemory memory{{config.memory.recompute}, mlpTileTokens(config)};
    if (config.memory.recompute != RecomputeLevel::Auto) {
        return memory;
    }
    const auto layers = static_cast<std::size_t>(std::max<std::int64_t>(1, model.layerCount));
    memory.recompute.assign(layers, RecomputeLevel::Full);
    double left =
        numbers - static_cast<double>(layers) * tokens * keptPerToken(model, RecomputeLevel::Full);
    constexpr std::array kRicher{RecomputeLevel::Output, RecomputeLevel::Qkv, RecomputeLevel::Mlp,
                                 RecomputeLevel::None};
    for (const RecomputeLevel level : kRicher) {
        for (std::size_t layer = layers; layer-- > 0;) {
            RecomputeLevel& chosen = memory.recompute[layer];
            const double more = tokens * (keptPerToken(model, level) - keptPerToken(model, chosen));
            if (more > left) {
                return memory;
            }
            left -= more;
            chosen = level;
        }
    }
    return memory;
}

} // namespace longlora
