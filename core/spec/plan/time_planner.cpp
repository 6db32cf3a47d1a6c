// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/time_planner.h"

#include "core/spec/attention/s2_pattern.h"
#include "core/spec/base/units.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/model_weights.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/plan/plan_quantities.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

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

/// Numbers whose products the backward pass computes again in a layer at `level`.
double computedAgain(const ModelConfig& model, RecomputeLevel level)
{
    return linearNumbers(model, [&](ModelPart part) {
        return isComputedAgain(part, level) &&
               !(part == ModelPart::AttentionOutput && model.parallelResidual);
    });
}

class TimeList {
public:
    explicit TimeList(bool withFormulas)
        : m_withFormulas(withFormulas)
    {}
    template <class Formula>
    void add(const char* name, double seconds, const Formula& formula)
    {
        m_seconds += seconds;
        if (m_withFormulas && seconds > 0.0) {
            m_items.push_back({name, seconds, formula()});
        }
    }
    double seconds() const { return m_seconds; }
    std::vector<TimeItem> take() { return std::move(m_items); }

private:
    bool m_withFormulas;
    double m_seconds = 0.0;
    std::vector<TimeItem> m_items;
};

constexpr double kGB = 1e9;

/// "48,440 TFLOP".
std::string teraText(double operations)
{
    const double tera = operations / 1e12;
    return tera < 100.0 ? fmt::format("{:.3g} TFLOP", tera)
                        : formatCount(static_cast<std::int64_t>(tera)) + " TFLOP";
}

/// Beside computing: what passes between devices, and the update.
void addTraffic(const RunConfig& config, const DeviceProfile& device, const PlanQuantities& q,
                TimeList& times)
{
    const double ranks = q.sharding.ranks;
    const double others = (ranks - 1.0) / ranks;
    if (ranks > 1.0 && device.linkBytesPerSecond > 0.0) {
        const auto microBatches =
            static_cast<double>(std::max<std::int64_t>(1, config.batch.accumulation));
        const double bytes =
            q.sharding.dividesWeights ? 2.0 * microBatches * q.frozenBytes() * others : 0.0;
        times.add("Weights gathered, beyond computing",
                  std::max(0.0, bytes / device.linkBytesPerSecond - times.seconds()), [&] {
                      return fmt::format("forward and back, {} micro-batches: {} / {:.0f} GB/s, "
                                         "hidden behind computing as far as that lasts",
                                         formatCount(config.batch.accumulation), formatBytes(bytes),
                                         device.linkBytesPerSecond / kGB);
                  });
        const double gradients = 2.0 * q.updated * q.master * others;
        times.add("Gradients exchanged", gradients / device.linkBytesPerSecond, [&] {
            return fmt::format("2 x {} x {:.0f} devices / {:.0f} / {:.0f} GB/s",
                               formatBytes(q.updated * q.master), ranks - 1.0, ranks,
                               device.linkBytesPerSecond / kGB);
        });
    }
    if (device.memoryBytesPerSecond > 0.0) {
        // Weight, gradient and two moments are read; weight, moments and copy are written.
        const double bytes = q.updated / ranks * (3.0 * q.master + 4.0 * q.moment + q.compute);
        times.add("Update", bytes / device.memoryBytesPerSecond, [&] {
            return fmt::format("{} read and written / {:.0f} GB/s of memory", formatBytes(bytes),
                               device.memoryBytesPerSecond / kGB);
        });
    }
}

} // namespace

double visiblePairs(const RunConfig& config, std::int64_t window, std::int64_t length)
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

double layerLinearNumbers(const ModelConfig& model)
{
    return linearNumbers(model, [](ModelPart) { return true; });
}

double stepFlops(const ModelConfig& model, const RunConfig& config, const LayerMemory& memory)
{
    const bool trainsAll = config.method == TrainingMethod::Full;
    const std::int64_t length = rowLength(model, config);
    const auto layers = static_cast<double>(model.layerCount);
    const double rows = static_cast<double>(config.batch.microBatch) *
                        static_cast<double>(config.batch.accumulation);
    const double tokens = rows * static_cast<double>(length);

    std::map<RecomputeLevel, double> layersAt;
    for (std::int64_t layer = 0; layer < model.layerCount; ++layer) {
        layersAt[memory.recomputeOf(static_cast<std::size_t>(layer))] += 1.0;
    }
    double again = 0.0;          // numbers whose products are computed again, over all layers
    double attentionAgain = 0.0; // layers whose attention is
    for (const auto& [level, count] : layersAt) {
        again += count * computedAgain(model, level);
        attentionAgain += level >= RecomputeLevel::Full ? count : 0.0;
    }
    const double numbers = layers * layerLinearNumbers(model);
    const double linears = 2.0 * (numbers * (trainsAll ? 3.0 : 2.0) + again);
    const double lora = 2.0 * static_cast<double>(countTrainable(model, config).lora) * 3.0;
    const double head = 2.0 * static_cast<double>(model.vocabularySize * model.hiddenSize) *
                        (trainsAll ? 3.0 : 2.0);
    const double attention = rows * visiblePairs(config, model.slidingWindow, length) *
                             static_cast<double>(model.headCount * model.headDim) * 4.0 *
                             (layers * (1.0 + 2.5) + attentionAgain);
    return tokens * (linears + lora + head) + attention;
}

StepTime planStepTime(const ModelConfig& model, const RunConfig& config,
                      const DeviceProfile& device, const PlanQuantities& q, bool withItems)
{
    const double share = q.sharding.sequenceParallel;
    const auto microBatches =
        static_cast<double>(std::max<std::int64_t>(1, config.batch.accumulation));
    const double speed = device.flopsPerSecond(config.precision.compute);
    StepTime time;
    time.flops = stepFlops(model, config, q.memory) / share;
    time.modelFlops = stepFlops(model, config, {{RecomputeLevel::None}}) / share;
    time.tokens = q.tokens() * microBatches * q.sharding.ranks;
    time.peakFlopsPerSecond = device.peakFlopsPerSecond(config.precision.compute);
    if (speed <= 0.0) {
        return time;
    }
    TimeList times(withItems);
    times.add("Computing", time.flops / speed,
              [&] { return fmt::format("{} / {}/s", teraText(time.flops), teraText(speed)); });
    addTraffic(config, device, q, times);
    time.seconds = times.seconds();
    time.items = times.take();
    return time;
}

} // namespace longlora
