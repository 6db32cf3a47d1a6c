// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/plan_quantities.h"

#include "core/spec/config/config_issues.h"
#include "core/spec/plan/loss_chunk.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/plan/time_planner.h"

#include <algorithm>
#include <cmath>

namespace longlora {

namespace {

/// Of the device, what recompute auto plans with: other programs want some too.
constexpr double kAutoShare = 0.8;
/// Of the device, what frozen weights may take before they are divided.
constexpr double kWholeWeightsShare = 0.5;

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

/// The 8 bits of a moment and its part of its block's scale; kernels/adamw.h.
constexpr double kEightBitMomentBytes = 1.0 + 4.0 / 128.0;

double momentBytes(MomentFormat format, double master)
{
    if (master > 4.0 || format == MomentFormat::Fp32) {
        return master;
    }
    return format == MomentFormat::BFloat16 ? 2.0 : kEightBitMomentBytes;
}

double frozenCount(const ModelConfig& model, const RunConfig& config, const TrainableCount& trained)
{
    if (config.method == TrainingMethod::Full) {
        return 0.0;
    }
    // A tied embedding that is trained leaves the frozen original to the head.
    const std::int64_t replaced = trained.norms + (model.tiedEmbeddings ? 0 : trained.embeddings);
    return static_cast<double>(model.parameterCount() - replaced);
}

PlanSharding shardingOf(const RunConfig& config, const DeviceProfile& device, double frozenBytes)
{
    PlanSharding sharding;
    sharding.ranks = static_cast<double>(std::max<std::int64_t>(1, config.devices.ranks));
    sharding.sequenceParallel =
        std::clamp(static_cast<double>(config.devices.sequenceParallel), 1.0, sharding.ranks);
    sharding.dividesWeights = sharding.ranks > 1.0 && device.memoryBytes > 0.0 &&
                              frozenBytes > kWholeWeightsShare * device.memoryBytes;
    return sharding;
}

/// Inputs of layers that are not on the device.
double offloadedPerToken(const ModelConfig& model, const PlanQuantities& q)
{
    const std::int64_t away =
        q.memory.offload ? std::max<std::int64_t>(0, model.layerCount - kLayersInFlight) : 0;
    return static_cast<double>(away * model.hiddenSize);
}

/// LoRA trains the embedding's rows that the data has; the model keeps a copy of all. It computes
/// with slices of a matrix where updates are stacked.
void countUpdated(const ModelConfig& model, const RunConfig& config, const TrainableCount& trained,
                  const DataFacts& data, PlanQuantities& q)
{
    const std::int64_t vocabulary = model.vocabularySize;
    const bool bySomeRows = config.method == TrainingMethod::Lora && trained.embeddings > 0;
    const std::int64_t rows =
        bySomeRows ? embeddingRowsKept(vocabulary, data.distinctTokens, !q.hasComputeCopy())
                   : vocabulary;
    q.updated = q.trained - static_cast<double>((vocabulary - rows) * model.hiddenSize);
    const double embedding = rows < vocabulary ? static_cast<double>(trained.embeddings) : 0.0;
    const double layers =
        config.quantization == Quantization::None ? static_cast<double>(model.layerCount) : 0.0;
    q.copied = q.hasComputeCopy() ? q.trained : embedding + layers * q.lora.numbers;
}

/// FlashAttention's backward adds to the gradient of the queries from all multiprocessors at once;
/// the deterministic one gives each share of them, by sequence and head, a copy of its own.
/// Source: flash-attention 2.7, mha_bwd().
double queryGradientCopies(const RunConfig& config, const PlanQuantities& q, double heads)
{
    if (!config.precision.deterministic) {
        return 1.0;
    }
    const auto length = static_cast<std::int64_t>(q.length);
    const double sequences =
        config.attention.kind == AttentionKind::S2
            ? q.length / static_cast<double>(groupSize(config.attention, length))
            : 1.0;
    return std::ceil(q.multiprocessors / (q.rows * std::max(1.0, sequences) * heads));
}

} // namespace

PlanQuantities quantitiesOf(const ModelConfig& model, const RunConfig& config,
                            const DeviceProfile& device, const DataFacts& data)
{
    const TrainableCount trained = countTrainable(model, config);
    PlanQuantities q;
    q.device = device.kind;
    q.threads = static_cast<double>(device.threads);
    q.multiprocessors = static_cast<double>(device.multiprocessors);
    q.frozen = frozenCount(model, config, trained);
    q.layerFrozen = q.frozen > 0.0 ? layerLinearNumbers(model) : 0.0;
    q.trained = static_cast<double>(trained.total());
    q.rows = static_cast<double>(std::max<std::int64_t>(1, config.batch.microBatch));
    q.length = static_cast<double>(rowLength(model, config));
    q.compute = elementBytes(device.resolved(config.precision.compute));
    q.master = std::max(4.0, q.compute);
    q.moment = momentBytes(config.optimizer.moments, q.master);
    q.program = device.programBytes + (device.kind == DeviceKind::Cuda ? 0.0 : kThreadBytes);
    q.memory = {{config.memory.recompute}, mlpTileTokens(config)};
    if (config.quantization == Quantization::Nf4) {
        q.quantized = q.layerFrozen * static_cast<double>(model.layerCount);
    }
    q.lora = stackedLora(model, config);
    countUpdated(model, config, trained, data, q);
    q.sharding = shardingOf(config, device, q.frozenBytes());
    return q;
}

double PlanQuantities::tileTokens(const RunConfig& config) const
{
    const auto row = static_cast<std::int64_t>(length / sharding.sequenceParallel);
    const auto tile = static_cast<double>(mayTile ? groupTileTokens(config, row) : 0);
    return tile > 0.0 ? tile + static_cast<double>(groupSize(config.attention, row)) / 2.0 : 0.0;
}

double trainedBytes(const PlanQuantities& q)
{
    return (q.mastersHere() + q.updated) * q.master + q.momentsHere() * q.moment +
           q.copied * q.compute;
}

double windowBytes(const ModelConfig& model, const PlanQuantities& q)
{
    constexpr double kBlockQueries = 256.0;
    const auto window = static_cast<double>(model.slidingWindow);
    if (window <= 0.0 || q.length <= window || q.attendsInTiles()) {
        return 0.0;
    }
    const double keys = std::min(q.length, window + kBlockQueries - 1.0);
    return 3.0 * q.rows * static_cast<double>(model.kvHeadCount) *
           std::min(kBlockQueries, q.length) * keys * q.master;
}

double keptBytes(const ModelConfig& model, const PlanQuantities& q)
{
    double numbers = 0.0;
    for (std::int64_t layer = 0; layer < model.layerCount; ++layer) {
        numbers += keptPerToken(model, q.memory.recomputeOf(static_cast<std::size_t>(layer)));
    }
    return (numbers - offloadedPerToken(model, q)) * q.tokens() * q.compute;
}

double hostBytes(const ModelConfig& model, const PlanQuantities& q)
{
    const std::int64_t layers = q.memory.offload ? model.layerCount - 1 : 0;
    return static_cast<double>(layers * model.hiddenSize) * q.tokens() * q.compute;
}

bool hostHolds(const ModelConfig& model, const DeviceProfile& device, const PlanQuantities& q)
{
    return device.hostMemoryBytes <= 0.0 ||
           hostBytes(model, q) * q.sharding.ranks <= device.hostMemoryBytes;
}

double backwardBytes(const ModelConfig& model, const RunConfig& config, const PlanQuantities& q)
{
    const double tile = q.tileTokens(config);
    const auto extra = [&](double tokens) {
        return q.attendsInTiles()
                   ? q.threads * attentionScratchBytes(model, config, q.length, q.compute) /
                         q.compute
                   : attentionCallWidth(model, config) * tokens;
    };
    double kept = 0.0;
    double most = 0.0;
    for (std::int64_t layer = 0; layer < model.layerCount; ++layer) {
        const RecomputeLevel level = q.memory.recomputeOf(static_cast<std::size_t>(layer));
        kept += keptPerToken(model, level) * q.tokens();
        const bool isTiled = level == RecomputeLevel::Full && tile > 0.0;
        const LayerWork work{level,
                             q.memory.mlpTile,
                             q.tokens(),
                             isTiled ? tile : 0.0,
                             extra(isTiled ? tile : q.tokens()),
                             q.lora};
        most = std::max(most, kept + workedOn(model, config, work));
    }
    return (most - kept) * q.compute + windowBytes(model, q);
}

double lossBytes(const ModelConfig& model, const PlanQuantities& q)
{
    const double chunk = std::min(static_cast<double>(kLossChunkTokens), q.tokens());
    const auto hidden = static_cast<double>(model.hiddenSize);
    const double numbers =
        chunk * static_cast<double>(model.vocabularySize) + (2.0 * q.tokens() + chunk) * hidden;
    return numbers * q.compute;
}

double trainingActivationBytes(const ModelConfig& model, const RunConfig& config,
                               const PlanQuantities& q)
{
    return keptBytes(model, q) + std::max(backwardBytes(model, config, q), lossBytes(model, q)) +
           attentionKernelBytes(model, config, q) + haloBytes(model, config, q);
}

double heldOutBytes(const ModelConfig& model, const RunConfig& config, const PlanQuantities& q)
{
    if (config.data.validation.empty() || config.evaluation.everySteps == 0) {
        return 0.0;
    }
    // Projections, attention's result, the layer's input and its output.
    const double numbers = static_cast<double>(
        2 * model.hiddenSize + (2 * model.headCount + 2 * model.kvHeadCount) * model.headDim);
    return numbers * q.length / q.sharding.sequenceParallel * q.compute;
}

double attentionKernelBytes(const ModelConfig& model, const RunConfig& config,
                            const PlanQuantities& q)
{
    if (q.device != DeviceKind::Cuda) {
        return 0.0;
    }
    double layers = 0.0;
    for (std::int64_t layer = 0; layer < model.layerCount; ++layer) {
        const RecomputeLevel level = q.memory.recomputeOf(static_cast<std::size_t>(layer));
        layers += level < RecomputeLevel::Full ? 1.0 : 0.0;
    }
    const auto heads = static_cast<double>(model.headCount);
    const double atOnce = config.attention.kind == AttentionKind::S2 ? heads / 2.0 : heads;
    const double tile = q.tileTokens(config);
    const double worked = layers == 0.0 && tile > 0.0 ? tile : q.tokens();
    return 4.0 * (q.tokens() * heads * layers +
                  worked * (heads + queryGradientCopies(config, q, atOnce) * atOnce *
                                        static_cast<double>(model.headDim)));
}

double haloBytes(const ModelConfig& model, const RunConfig& config, const PlanQuantities& q)
{
    if (q.sharding.sequenceParallel <= 1.0 || config.attention.kind != AttentionKind::S2) {
        return 0.0;
    }
    const auto length = static_cast<std::int64_t>(q.length);
    const double tokens = static_cast<double>(groupSize(config.attention, length)) / 2.0;
    const auto width = static_cast<double>(model.kvHeadCount * model.headDim);
    return 2.0 * tokens * width * q.compute * q.rows; // K and V of half the heads, and gradients
}

double peakOf(const ModelConfig& model, const RunConfig& config, const PlanQuantities& q)
{
    return q.frozenBytes() * q.share() + q.gatheredBytes() + q.unpackedBytes() + trainedBytes(q) +
           q.program +
           std::max(trainingActivationBytes(model, config, q), heldOutBytes(model, config, q));
}

bool mayOffload(const RunConfig& config, const PlanQuantities& q)
{
    return q.device == DeviceKind::Cuda && config.memory.offload != OffloadMode::Off;
}

void chooseMemory(const ModelConfig& model, const RunConfig& config, const DeviceProfile& device,
                  PlanQuantities& q)
{
    const bool isAuto = config.memory.recompute == RecomputeLevel::Auto;
    if (isAuto) {
        q.memory.recompute = {RecomputeLevel::Full};
    }
    if (mayOffload(config, q)) {
        // Automatically only where nothing else makes it fit, and this does.
        const bool mustOffload = peakOf(model, config, q) > device.memoryBytes;
        q.memory.offload = true;
        q.memory.offload = config.memory.offload == OffloadMode::On ||
                           (mustOffload && hostHolds(model, device, q));
    }
    if (isAuto && !q.memory.offload) {
        q.mayTile = false; // richer levels do not
        const double rest = peakOf(model, config, q) - keptBytes(model, q);
        q.mayTile = true;
        const double numbers = (device.memoryBytes * kAutoShare - rest) / q.compute;
        q.memory = chooseLayerMemory(model, config, q.tokens(), numbers);
    }
    q.memory.groupTile =
        groupTileTokens(config, static_cast<std::int64_t>(q.length / q.sharding.sequenceParallel));
}

} // namespace longlora
