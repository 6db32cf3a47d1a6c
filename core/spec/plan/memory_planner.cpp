// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/memory_planner.h"

#include "core/spec/base/units.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/model_weights.h"
#include "core/spec/config/run_config_enums.h"
#include "core/spec/plan/loss_chunk.h"
#include "core/spec/plan/plan_quantities.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>

namespace longlora {

namespace {

/// Rows longer than this are not looked for.
constexpr std::int64_t kLongestContext = std::int64_t{1} << 24;

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

/// " / 8 devices" of what is divided among all; nothing on one.
std::string dividedBy(double ranks)
{
    return ranks > 1.0 ? fmt::format(" / {} devices", count(ranks)) : std::string();
}

void addWeightItems(const PlanQuantities& q, ItemList& items)
{
    const double ranks = q.sharding.ranks;
    const std::string updated =
        q.updated < q.trained
            ? fmt::format("{} numbers (of the embedding, the rows that the data has)",
                          count(q.updated))
            : fmt::format("{} numbers", count(q.updated));
    const std::string divided = dividedBy(q.sharding.dividesWeights ? ranks : 1.0);
    items.add(
        "Frozen weights", q.fullBytes() * q.share(),
        fmt::format("{} numbers x {} B{}", count(q.frozen - q.quantized), q.compute, divided));
    items.add("Frozen weights in NF4", q.packedBytes() * q.share(),
              fmt::format("{} numbers x {:.4f} B{}", count(q.quantized), kNf4Bytes, divided));
    items.add("Gathered layers", q.gatheredBytes(),
              fmt::format("the layer in use and the next: 2 x {} numbers", count(q.layerFrozen)));
    items.add("Layer unpacked from NF4", q.unpackedBytes(),
              fmt::format("{} numbers x {} B", count(q.layerFrozen), q.compute));
    items.add(
        "Trained weights", q.mastersHere() * q.master,
        fmt::format("{} x {} B{}", updated, q.master, dividedBy(q.hasComputeCopy() ? ranks : 1.0)));
    items.add("Compute copy of trained weights", q.copied * q.compute,
              fmt::format("{} numbers x {} B", count(q.copied), q.compute));
    items.add("Gradients", q.updated * q.master, fmt::format("{} x {} B", updated, q.master));
    items.add("Optimizer moments", q.momentsHere() * q.moment,
              fmt::format("{} x 2 moments x {} B{}", updated, q.moment, dividedBy(ranks)));
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
    const std::int64_t away = model.layerCount - kLayersInFlight;
    const std::string offloaded =
        memory.offload && away > 0
            ? fmt::format(" - {} layers x {} numbers on the host", away, model.hiddenSize)
            : std::string();
    return fmt::format("{}{}", fmt::join(parts, " + "), offloaded);
}

void addActivationItems(const ModelConfig& model, const RunConfig& config, const PlanQuantities& q,
                        ItemList& items)
{
    const double share = q.sharding.sequenceParallel;
    const std::string tokens = fmt::format(
        "{} x {} tokens{}", q.rows == 1.0 ? "1 row" : count(q.rows) + " rows", count(q.length),
        share > 1.0 ? fmt::format(" / {} devices that share a row", count(share)) : std::string());
    const double scores = windowBytes(model, q);
    const std::string window =
        scores > 0.0 ? " + " + formatBytes(scores) + " of scores in the sliding window" : "";
    const double backward = backwardBytes(model, config, q);
    const auto last = static_cast<std::size_t>(std::max<std::int64_t>(0, model.layerCount - 1));
    const bool isTiled =
        q.memory.groupTile > 0 && q.memory.recomputeOf(last) == RecomputeLevel::Full;
    const std::string groups =
        isTiled ? fmt::format(", layers in tiles of {} tokens", formatCount(q.memory.groupTile))
                : std::string();
    items.add("Kept activations", keptBytes(model, q),
              fmt::format("({}) x {} x {} B", keptFormula(model, q.memory), tokens, q.compute));
    items.add("Backward of one layer", backward,
              fmt::format("{} of one layer computed again and its gradients x {}{}{}, MLP in tiles "
                          "of {} tokens",
                          formatBytes((backward - scores) / std::max(1.0, q.tokens())), tokens,
                          window, groups, formatCount(q.memory.mlpTile)));
    items.add("Loss, beyond that", lossBytes(model, q) - std::max(0.0, backward),
              fmt::format("{} tokens x {} logits x {} B + hidden states and their gradient - "
                          "backward of one layer, never at the same time",
                          count(std::min(static_cast<double>(kLossChunkTokens), q.tokens())),
                          formatCount(model.vocabularySize), q.compute));
}

void addDeviceItems(const ModelConfig& model, const RunConfig& config, const DeviceProfile& device,
                    const PlanQuantities& q, ItemList& items)
{
    items.add("Attention kernel", attentionKernelBytes(model, config, q),
              "4 B x tokens x (heads x layers that keep attention's result + width of the heads "
              "whose gradient is summed in fp32)");
    items.add("Halo of one layer", haloBytes(model, config, q),
              fmt::format(
                  "keys and values of half a group for half of the heads, and their "
                  "gradient: 2 x {} tokens x {} numbers x {} B",
                  formatCount(groupSize(config.attention, static_cast<std::int64_t>(q.length)) / 2),
                  formatCount(model.kvHeadCount * model.headDim), q.compute));
    items.add("Held-out loss, beyond training",
              heldOutBytes(model, config, q) - trainingActivationBytes(model, config, q),
              fmt::format("a row of {} tokens through one layer with full attention, never at the "
                          "same time",
                          count(q.length)));
    if (q.device == DeviceKind::Cuda) {
        items.add("CUDA and its libraries", q.program,
                  fmt::format("{} of CUDA, cuBLAS and cuDNN, assumed", formatBytes(q.program)));
    } else {
        items.add("Program and libraries", q.program,
                  fmt::format("{} resident before a run + {} of threads and buffers",
                              formatBytes(device.programBytes), formatBytes(kThreadBytes)));
    }
}

/// In words, for people; empty on one device.
std::string describeSharding(const PlanQuantities& q)
{
    const PlanSharding& sharding = q.sharding;
    if (sharding.ranks <= 1.0) {
        return {};
    }
    const double replicas = sharding.ranks / sharding.sequenceParallel;
    const std::string rows =
        sharding.sequenceParallel > 1.0
            ? fmt::format("{} share each row, which gives {} tokens each{}",
                          count(sharding.sequenceParallel), count(q.tokens()),
                          replicas > 1.0 ? fmt::format("; {} such groups have rows of their own",
                                                       count(replicas))
                                         : std::string())
            : std::string("each has rows of its own");
    return fmt::format(
        "{} devices: {}; moments{} divided among all; frozen weights {}", count(sharding.ranks),
        rows, q.hasComputeCopy() ? " and fp32 weights of what is trained" : "",
        sharding.dividesWeights ? "divided among all and gathered a layer ahead" : "whole on each");
}

/// The longest row that fits, in steps of 64 tokens; recompute auto goes as far as full does.
std::int64_t largestContext(const ModelConfig& model, const RunConfig& config,
                            const DeviceProfile& device, const DataFacts& data)
{
    RunConfig longest = config;
    if (config.memory.recompute == RecomputeLevel::Auto) {
        longest.memory.recompute = RecomputeLevel::Full;
    }
    longest.context.length = 1;
    PlanQuantities q = quantitiesOf(model, longest, device, data);
    const auto fitsNow = [&] {
        q.memory.offload = mayOffload(config, q);
        if (!hostHolds(model, device, q)) {
            if (config.memory.offload == OffloadMode::On) {
                return false;
            }
            q.memory.offload = false;
        }
        return peakOf(model, longest, q) <= device.memoryBytes;
    };
    constexpr std::int64_t kStep = 64;
    std::int64_t fits = 0;
    std::int64_t tooLong = kLongestContext / kStep + 1;
    while (fits + 1 < tooLong) {
        const std::int64_t middle = fits + (tooLong - fits) / 2;
        q.length = static_cast<double>(middle * kStep);
        (fitsNow() ? fits : tooLong) = middle;
    }
    constexpr std::int64_t kRoundFrom = 4096;
    const std::int64_t largest = fits * kStep;
    return largest >= kRoundFrom ? largest / 256 * 256 : largest;
}

/// Checkpoints kept, one more while it is written, and the result.
double diskBytes(const ModelConfig& model, const RunConfig& config, const PlanQuantities& q)
{
    const double one = config.method == TrainingMethod::Full
                           ? static_cast<double>(model.parameterCount()) * q.compute
                           : q.trained * q.master;
    return one * static_cast<double>(std::max<std::int64_t>(1, config.checkpoint.keep) + 2);
}

} // namespace

MemoryPlan planMemory(const ModelConfig& model, const RunConfig& config,
                      const DeviceProfile& device, const DataFacts& data)
{
    PlanQuantities q = quantitiesOf(model, config, device, data);
    chooseMemory(model, config, device, q);
    ItemList items;
    addWeightItems(q, items);
    addActivationItems(model, config, q, items);
    addDeviceItems(model, config, device, q, items);

    MemoryPlan plan;
    plan.items = items.take();
    plan.peakBytes = peakOf(model, config, q);
    plan.hostFits = hostHolds(model, device, q);
    plan.fits =
        plan.hostFits && (device.memoryBytes <= 0.0 || plan.peakBytes <= device.memoryBytes);
    plan.largestContext =
        device.memoryBytes > 0.0 ? largestContext(model, config, device, data) : 0;
    plan.trainableParameters = static_cast<std::int64_t>(q.trained);
    plan.trainableBytes = trainedBytes(q);
    plan.hostBytes = hostBytes(model, q);
    plan.diskBytes = diskBytes(model, config, q);
    plan.layerMemory = q.memory;
    plan.sharding = describeSharding(q);
    plan.time = planStepTime(model, config, device, q, true);
    plan.flopsPerStep = plan.time.flops;
    plan.secondsPerStep = plan.time.seconds;
    return plan;
}

PlanOutline outlinePlan(const ModelConfig& model, const RunConfig& config,
                        const DeviceProfile& device)
{
    PlanQuantities q = quantitiesOf(model, config, device);
    chooseMemory(model, config, device, q);
    return {peakOf(model, config, q), hostHolds(model, device, q),
            planStepTime(model, config, device, q, false)};
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
