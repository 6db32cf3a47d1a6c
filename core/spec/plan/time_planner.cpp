// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/time_planner.h"

#include "core/spec/attention/s2_pattern.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/model_weights.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/plan/recompute_choice.h"

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

/// Numbers in the linear maps of one layer.
double layerLinears(const ModelConfig& model)
{
    std::int64_t numbers = 0;
    for (const WeightShape& shape : layerWeightShapes(model, 0)) {
        numbers += isLayerLinear(shape.part) && !shape.isBias ? shape.count() : 0;
    }
    return static_cast<double>(numbers);
}

} // namespace

double stepFlops(const ModelConfig& model, const RunConfig& config)
{
    const bool trainsAll = config.method == TrainingMethod::Full;
    const bool recomputes = resolvedRecompute(model, config) == RecomputeLevel::Full;
    const std::int64_t length = rowLength(model, config);
    const auto layers = static_cast<double>(model.layerCount);
    const double rows = static_cast<double>(config.batch.microBatch) *
                        static_cast<double>(config.batch.accumulation);
    const double tokens = rows * static_cast<double>(length);

    const double passes = 2.0 + (recomputes ? 1.0 : 0.0); // forward, input gradient, forward again
    const double linears = 2.0 * layers * layerLinears(model) * (passes + (trainsAll ? 1.0 : 0.0));
    const double lora =
        2.0 * static_cast<double>(countTrainable(model, config).lora) * (passes + 1.0);
    const double head = 2.0 * static_cast<double>(model.vocabularySize * model.hiddenSize) *
                        (trainsAll ? 3.0 : 2.0);
    const double attention = layers * rows * pairsPerHead(config, model.slidingWindow, length) *
                             static_cast<double>(model.headCount * model.headDim) * 4.0 *
                             (1.0 + (recomputes ? 1.0 : 0.0) + 2.5);
    return tokens * (linears + lora + head) + attention;
}

} // namespace longlora
