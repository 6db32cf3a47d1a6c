// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/memory_planner.h"

#include "core/spec/base/units.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/model_weights.h"
#include "core/spec/config/run_config_enums.h"
#include "core/spec/plan/layer_memory.h"
#include "core/spec/plan/loss_chunk.h"
#include "core/spec/plan/system_memory.h"
#include "core/spec/plan/time_planner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>

namespace longlora {

namespace {

/// Stacks of threads and buffers of matrix products, beside what the program takes by itself.
/// Measured: the peak resident set of a run on a model of 40,000 parameters is 20 MiB above the
/// program's at the start.
constexpr double kThreadBytes = 20.0 * 1024.0 * 1024.0;
/// Of the device, what recompute auto plans with: other programs want some too.
constexpr double kAutoShare = 0.8;
/// Rows longer than this are not looked for.
constexpr std::int64_t kLongestContext = std::int64_t{1} << 24;

double elementBytes(ComputePrecision precision)
{
    switch (precision) {
    case ComputePrecision::Bf16:
        return 2.0;
    case ComputePrecision::Fp64:
        return 8.0;
    case ComputePrecision::Fp32:
    case ComputePrecision::Auto:
        break;
    }
    return 4.0;
}

/// Everything the formulas are made of.
struct Quantities {
    double frozen = 0.0;  ///< numbers that are not trained
    double trained = 0.0; ///< numbers that are
    double rows = 0.0;    ///< of a micro-batch
    double length = 0.0;  ///< tokens of a row
    double compute = 4.0; ///< bytes of a number the model computes with
    double master = 4.0;  ///< bytes of a number the optimizer keeps
    double program = 0.0; ///< bytes of the process without the run
    LayerMemory memory;

    double tokens() const { return rows * length; }
};

double frozenCount(const ModelConfig& model, const RunConfig& config)
{
    if (config.method == TrainingMethod::Full) {
        return 0.0;
    }
    const TrainableCount trained = countTrainable(model, config);
    // A tied embedding that is trained leaves the frozen original to the head.
    const std::int64_t replaced = trained.norms + (model.tiedEmbeddings ? 0 : trained.embeddings);
    return static_cast<double>(model.parameterCount() - replaced);
}

Quantities quantitiesOf(const ModelConfig& model, const RunConfig& config,
                        const DeviceProfile& device)
{
    Quantities q;
    q.frozen = frozenCount(model, config);
    q.trained = static_cast<double>(countTrainable(model, config).total());
    q.rows = static_cast<double>(std::max<std::int64_t>(1, config.batch.microBatch));
    q.length = static_cast<double>(rowLength(model, config));
    q.compute =
        elementBytes(config.precision.compute == ComputePrecision::Auto ? device.autoPrecision
                                                                        : config.precision.compute);
    q.master = std::max(4.0, q.compute);
    q.program = device.programBytes + kThreadBytes;
    q.memory = {{config.memory.recompute}, mlpTileTokens(config)};
    return q;
}

/// Scores of one block of queries under a sliding window, their gradient and a product: of 256
/// queries, one head of each kv head at a time.
double windowBytes(const ModelConfig& model, const Quantities& q)
{
    constexpr double kBlockQueries = 256.0;
    const auto window = static_cast<double>(model.slidingWindow);
    if (window <= 0.0 || q.length <= window) {
        return 0.0;
    }
    const double keys = std::min(q.length, window + kBlockQueries - 1.0);
    return 3.0 * q.rows * static_cast<double>(model.kvHeadCount) *
           std::min(kBlockQueries, q.length) * keys * q.master;
}

double keptBytes(const ModelConfig& model, const Quantities& q)
{
    double numbers = 0.0;
    for (std::int64_t layer = 0; layer < model.layerCount; ++layer) {
        numbers += keptPerToken(model, q.memory.recomputeOf(static_cast<std::size_t>(layer)));
    }
    return numbers * q.tokens() * q.compute;
}

/// The most that is alive in the backward pass beside what the first layers' levels keep: of the
/// layer where that and what is kept up to it are largest.
double backwardBytes(const ModelConfig& model, const RunConfig& config, const Quantities& q)
{
    double kept = 0.0;
    double most = 0.0;
    for (std::int64_t layer = 0; layer < model.layerCount; ++layer) {
        const RecomputeLevel level = q.memory.recomputeOf(static_cast<std::size_t>(layer));
        kept += keptPerToken(model, level) * q.tokens();
        most = std::max(most, kept + workedOn(model, config, level, q.memory.mlpTile, q.tokens()));
    }
    return (most - kept) * q.compute + windowBytes(model, q);
}

/// Logits of a chunk become their gradient in place; last hidden states and their gradient.
double lossBytes(const ModelConfig& model, const Quantities& q)
{
    const double chunk = std::min(static_cast<double>(kLossChunkTokens), q.tokens());
    const auto hidden = static_cast<double>(model.hiddenSize);
    const double numbers =
        chunk * static_cast<double>(model.vocabularySize) + (2.0 * q.tokens() + chunk) * hidden;
    return numbers * q.compute;
}

/// Items that are not there are left out. Their sum is the peak: the loss and a layer's backward
/// never live at the same time, so the larger counts.
class ItemList {
public:
    void add(std::string name, double bytes, std::string formula)
    {
        if (bytes > 0.0) {
            m_items.push_back({std::move(name), bytes, std::move(formula)});
        }
    }
    std::vector<PlannedItem> take() { return std::move(m_items); }

private:
    std::vector<PlannedItem> m_items;
};

std::string count(double number)
{
    return formatCount(static_cast<std::int64_t>(number));
}

void addWeightItems(const Quantities& q, ItemList& items)
{
    const std::string trained = count(q.trained);
    items.add("Frozen weights", q.frozen * q.compute,
              fmt::format("{} numbers x {} B", count(q.frozen), q.compute));
    items.add("Trained weights", q.trained * q.master,
              fmt::format("{} numbers x {} B", trained, q.master));
    if (q.compute != q.master) {
        items.add("Compute copy of trained weights", q.trained * q.compute,
                  fmt::format("{} numbers x {} B", trained, q.compute));
    }
    items.add("Gradients", q.trained * q.master,
              fmt::format("{} numbers x {} B", trained, q.master));
    items.add("Optimizer moments", q.trained * q.master * 2.0,
              fmt::format("{} numbers x 2 moments x {} B", trained, q.master));
}

/// "22 layers x 5,824 numbers (none) + 10 layers x 512 numbers (full)".
std::string keptFormula(const ModelConfig& model, const LayerMemory& memory)
{
    std::map<RecomputeLevel, std::int64_t> layers;
    for (std::int64_t layer = 0; layer < model.layerCount; ++layer) {
        ++layers[memory.recomputeOf(static_cast<std::size_t>(layer))];
    }
    std::vector<std::string> parts;
    for (const auto& [level, count] : layers) {
        parts.push_back(fmt::format(
            "{} layers x {} numbers (recompute {})", count,
            formatCount(static_cast<std::int64_t>(keptPerToken(model, level))), enumName(level)));
    }
    return fmt::format("{}", fmt::join(parts, " + "));
}

void addActivationItems(const ModelConfig& model, const RunConfig& config, const Quantities& q,
                        ItemList& items)
{
    const std::string tokens = fmt::format(
        "{} x {} tokens", q.rows == 1.0 ? "1 row" : count(q.rows) + " rows", count(q.length));
    const double scores = windowBytes(model, q);
    const std::string window =
        scores > 0.0 ? " + " + formatBytes(scores) + " of scores in the sliding window" : "";
    const double backward = backwardBytes(model, config, q);
    items.add("Kept activations", keptBytes(model, q),
              fmt::format("({}) x {} x {} B", keptFormula(model, q.memory), tokens, q.compute));
    items.add("Backward of one layer", backward,
              fmt::format("{} of one layer computed again and its gradients x {}{}, MLP in tiles "
                          "of {} tokens",
                          formatBytes((backward - scores) / std::max(1.0, q.tokens())), tokens,
                          window, formatCount(q.memory.mlpTile)));
    items.add("Loss, beyond that", lossBytes(model, q) - std::max(0.0, backward),
              fmt::format("{} tokens x {} logits x {} B + hidden states and their gradient - "
                          "backward of one layer, never at the same time",
                          count(std::min(static_cast<double>(kLossChunkTokens), q.tokens())),
                          formatCount(model.vocabularySize), q.compute));
}

/// Alive at the peak of a micro-batch.
double activationBytes(const ModelConfig& model, const RunConfig& config, const Quantities& q)
{
    return keptBytes(model, q) + std::max(backwardBytes(model, config, q), lossBytes(model, q));
}

double fixedBytes(const Quantities& q)
{
    const double perTrained = q.master * 4.0 + (q.compute != q.master ? q.compute : 0.0);
    return q.frozen * q.compute + q.trained * perTrained + q.program;
}

/// The sum of the items, without their text: the search below asks for it often.
double peakOf(const ModelConfig& model, const RunConfig& config, const Quantities& q)
{
    return fixedBytes(q) + activationBytes(model, config, q);
}

/// Resolves recompute auto: of the device's memory, what the rest does not need may be kept.
void chooseMemory(const ModelConfig& model, const RunConfig& config, const DeviceProfile& device,
                  Quantities& q)
{
    if (config.memory.recompute == RecomputeLevel::Auto) {
        q.memory.recompute = {RecomputeLevel::Full};
        const double rest = peakOf(model, config, q) - keptBytes(model, q);
        const double numbers = (device.memoryBytes * kAutoShare - rest) / q.compute;
        q.memory = chooseLayerMemory(model, config, q.tokens(), numbers);
    }
}

/// The longest row that fits, in steps of 64 tokens; recompute auto goes as far as full does.
std::int64_t largestContext(const ModelConfig& model, const RunConfig& config,
                            const DeviceProfile& device)
{
    RunConfig longest = config;
    if (config.memory.recompute == RecomputeLevel::Auto) {
        longest.memory.recompute = RecomputeLevel::Full;
    }
    longest.context.length = 1;
    Quantities q = quantitiesOf(model, longest, device);
    constexpr std::int64_t kStep = 64;
    std::int64_t fits = 0;
    std::int64_t tooLong = kLongestContext / kStep + 1;
    while (fits + 1 < tooLong) {
        const std::int64_t middle = fits + (tooLong - fits) / 2;
        q.length = static_cast<double>(middle * kStep);
        (peakOf(model, longest, q) <= device.memoryBytes ? fits : tooLong) = middle;
    }
    constexpr std::int64_t kRoundFrom = 4096;
    const std::int64_t largest = fits * kStep;
    return largest >= kRoundFrom ? largest / 256 * 256 : largest;
}

/// Checkpoints kept, one more while it is written, and the result.
double diskBytes(const ModelConfig& model, const RunConfig& config, const Quantities& q)
{
    const double one = config.method == TrainingMethod::Full
                           ? static_cast<double>(model.parameterCount()) * q.compute
                           : q.trained * q.master;
    return one * static_cast<double>(std::max<std::int64_t>(1, config.checkpoint.keep) + 2);
}

} // namespace

DeviceProfile localCpuProfile()
{
    DeviceProfile profile;
    const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
    profile.name = fmt::format("CPU, {} {}", threads, threads == 1 ? "thread" : "threads");
    profile.memoryBytes = availableMemoryBytes();
    profile.programBytes = residentMemoryBytes();
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bf16")) {
        profile.autoPrecision = ComputePrecision::Bf16;
    }
#endif
    return profile;
}

double DeviceProfile::flopsPerSecond(ComputePrecision precision) const
{
    switch (precision == ComputePrecision::Auto ? autoPrecision : precision) {
    case ComputePrecision::Bf16:
        return bf16FlopsPerSecond;
    case ComputePrecision::Fp64:
        return fp32FlopsPerSecond / 2.0;
    default:
        return fp32FlopsPerSecond;
    }
}

MemoryPlan planMemory(const ModelConfig& model, const RunConfig& config,
                      const DeviceProfile& device)
{
    Quantities q = quantitiesOf(model, config, device);
    chooseMemory(model, config, device, q);
    ItemList items;
    addWeightItems(q, items);
    addActivationItems(model, config, q, items);
    items.add("Program and libraries", q.program,
              fmt::format("{} resident before a run + {} of threads and buffers",
                          formatBytes(device.programBytes), formatBytes(kThreadBytes)));

    MemoryPlan plan;
    plan.items = items.take();
    plan.peakBytes = peakOf(model, config, q);
    plan.fits = device.memoryBytes <= 0.0 || plan.peakBytes <= device.memoryBytes;
    plan.largestContext = device.memoryBytes > 0.0 ? largestContext(model, config, device) : 0;
    plan.trainableParameters = static_cast<std::int64_t>(q.trained);
    plan.trainableBytes = q.trained * (q.master * 4.0 + (q.compute != q.master ? q.compute : 0.0));
    plan.diskBytes = diskBytes(model, config, q);
    plan.layerMemory = q.memory;
    plan.flopsPerStep = stepFlops(model, config, q.memory);
    const double speed = device.flopsPerSecond(config.precision.compute);
    plan.secondsPerStep = speed > 0.0 ? plan.flopsPerStep / speed : 0.0;
    return plan;
}

std::string memoryPlanToJson(const MemoryPlan& plan)
{
    nlohmann::ordered_json json;
    json["items"] = nlohmann::ordered_json::array();
    for (const PlannedItem& item : plan.items) {
        json["items"].push_back(
            {{"name", item.name}, {"bytes", item.bytes}, {"formula", item.formula}});
    }
    json["peak_bytes"] = plan.peakBytes;
    json["fits"] = plan.fits;
    json["largest_context"] = plan.largestContext;
    json["trainable_parameters"] = plan.trainableParameters;
    json["trainable_bytes"] = plan.trainableBytes;
    json["disk_bytes"] = plan.diskBytes;
    json["flops_per_step"] = plan.flopsPerStep;
    json["seconds_per_step"] = plan.secondsPerStep;
    return json.dump(2) + "\n";
}

TrainableCount countTrainable(const ModelConfig& model, const RunConfig& config)
{
    const ModelFamily& family = familyOf(model);
    const std::vector<WeightShape> layer = layerWeightShapes(model, 0);
    const std::int64_t embeddings = model.vocabularySize * model.hiddenSize;
    std::int64_t norms = (model.norm == NormKind::Layer ? 2 : 1) * model.hiddenSize; // the last
    for (const WeightShape& shape : layer) {
        norms += isNorm(shape.part) ? model.layerCount * shape.count() : 0;
    }
    if (config.method == TrainingMethod::Full) {
        return {0, embeddings, norms, model.parameterCount() - embeddings - norms};
    }
    const std::set<std::string, std::less<>> targets(config.lora.targets.begin(),
                                                     config.lora.targets.end());
    std::int64_t widths = 0; // inputs and outputs of the targets
    for (const WeightShape& shape : layer) {
        if (isLayerLinear(shape.part) && !shape.isBias &&
            targets.contains(family.loraName(shape.part))) {
            widths += shape.sizes[0] + shape.sizes[1];
        }
    }
    TrainableCount trained;
    trained.lora = model.layerCount * std::max<std::int64_t>(0, config.lora.rank) * widths;
    trained.embeddings = config.lora.trainEmbeddings ? embeddings : 0;
    trained.norms = config.lora.trainNorms ? norms : 0;
    return trained;
}

} // namespace longlora
