// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/time_planner.h"

#include "core/spec/attention/s2_pattern.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/model_weights.h"
#include "core/spec/plan/memory_planner.h"

#include <algorithm>

namespace longlora {

namespace {

/// Pairs of a token and one it sees in a segment. `window` 0: it sees all before it.
double pairsInSegment(std::int64_t length, std::int64_t window)
{
    const auto triangle = [](double tokens) { return tokens * (tokens + 1.0) / 2.0; };
    if (window == 0 || length <= window) {
        return triangle(static_cast<double>(length));
    }
    return triangle(static_cast<double>(window)) +
           static_cast<double>(length - window) * static_cast<double>(window);
}

/// Both halves averaged.
double pairsInGroups(const S2Pattern& pattern, std::int64_t window)
{
    double pairs = 0.0;
    for (const HeadHalf half : {HeadHalf::Plain, HeadHalf::Shifted}) {
        for (const S2Pattern::Segment& segment : pattern.segments(half)) {
            pairs += pairsInSegment(segment.end - segment.begin, window);
        }
    }
    return pairs / 2.0;
}

/// Query-key pairs of one head in one row, averaged over the steps.
double pairsPerHead(const RunConfig& config, std::int64_t window, std::int64_t length)
{
    const double full = pairsInSegment(length, window);
    if (config.attention.kind == AttentionKind::Full) {
        return full;
    }
    const S2Pattern pattern{length, groupSize(config.attention, length), config.attention.edge};
    const double grouped = window > 0 ? pairsInGroups(pattern, window) : pattern.pairsPerHead();
    const double fraction = std::clamp(config.attention.fullFinalFraction, 0.0, 1.0);
    return fraction * full + (1.0 - fraction) * grouped;
}

/// Numbers in those linear maps of one layer that `counts` names.
template <class Predicate>
double linearNumbers(const ModelConfig& model, const Predicate& counts)
{
    std::int64_t numbers = 0;
    for (const WeightShape& shape : layerWeightShapes(model, 0)) {
        numbers +=
            isLayerLinear(shape.part) && !shape.isBias && counts(shape.part) ? shape.count() : 0;
    }
    return static_cast<double>(numbers);
}

/// Whether the backward pass computes the map's result again at `level`. The last map of a layer
/// never: nothing needs its result.
bool isComputedAgain(ModelPart part, RecomputeLevel level)
{
    switch (part) {
    case ModelPart::Gate:
    case ModelPart::Up:
        return level >= RecomputeLevel::Mlp;
    case ModelPart::Query:
    case ModelPart::Key:
    case ModelPart::Value:
    case ModelPart::QueryKeyValue:
        return level >= RecomputeLevel::Qkv;
    case ModelPart::AttentionOutput:
        return level >= RecomputeLevel::Output;
    default:
        return false;
    }
}

} // namespace

double stepFlops(const ModelConfig& model, const RunConfig& config, const LayerMemory& memory)
{
    const bool trainsAll = config.method == TrainingMethod::Full;
    const std::int64_t length = rowLength(model, config);
    const auto layers = static_cast<double>(model.layerCount);
    const double rows = static_cast<double>(config.batch.microBatch) *
                        static_cast<double>(config.batch.accumulation);
    const double tokens = rows * static_cast<double>(length);

    double again = 0.0;          // numbers whose products are computed again, over all layers
    double attentionAgain = 0.0; // layers whose attention is
    for (std::int64_t layer = 0; layer < model.layerCount; ++layer) {
        const RecomputeLevel level = memory.recomputeOf(static_cast<std::size_t>(layer));
        again += linearNumbers(model, [&](ModelPart part) {
            return isComputedAgain(part, level) &&
                   !(part == ModelPart::AttentionOutput && model.parallelResidual);
        });
        attentionAgain += level >= RecomputeLevel::Full ? 1.0 : 0.0;
    }
    const double numbers = layers * linearNumbers(model, [](ModelPart) { return true; });
    const double linears = 2.0 * (numbers * (trainsAll ? 3.0 : 2.0) + again);
    const double lora = 2.0 * static_cast<double>(countTrainable(model, config).lora) * 3.0;
    const double head = 2.0 * static_cast<double>(model.vocabularySize * model.hiddenSize) *
                        (trainsAll ? 3.0 : 2.0);
    const double attention = rows * pairsPerHead(config, model.slidingWindow, length) *
                             static_cast<double>(model.headCount * model.headDim) * 4.0 *
                             (layers * (1.0 + 2.5) + attentionAgain);
    return tokens * (linears + lora + head) + attention;
}

} // namespace longlora
