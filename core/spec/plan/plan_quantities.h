// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"
#include "core/spec/plan/device_profile.h"
#include "core/spec/plan/embedding_rows.h"
#include "core/spec/plan/layer_memory.h"

#include <cstdint>

namespace longlora {

/// Of a number in 4-bit NormalFloat with double quantisation: its code, a byte for each block of
/// 64, and 4 bytes for each 256 blocks (Dettmers et al. 2023, sec. 3).
inline constexpr double kNf4Bytes = 0.5 + 1.0 / 64.0 + 4.0 / (64.0 * 256.0);

/// How the devices of a run divide it. Sequence parallel: devices share a row. Moments are divided
/// among all; frozen weights, by layers, where a device would spend more than half of its memory on
/// them, and then a layer is gathered from all while the one before it computes.
struct PlanSharding {
    double ranks = 1.0;            ///< devices
    double sequenceParallel = 1.0; ///< devices that share a row; divides ranks
    bool dividesWeights = false;
};

/// Everything the formulas of a plan are made of, for one device. Inside the planner.
struct PlanQuantities {
    DeviceKind device = DeviceKind::Cpu;
    double threads = 1.0;           ///< of a processor
    double multiprocessors = 132.0; ///< of a GPU
    PlanSharding sharding;
    double frozen = 0.0;      ///< numbers that are not trained, of the whole model
    double layerFrozen = 0.0; ///< of these, in one layer
    double quantized = 0.0;   ///< of the frozen, kept in 4 bits
    double trained = 0.0;     ///< numbers that are
    double updated = 0.0;     ///< of these, with a master, a gradient and moments
    double copied = 0.0;      ///< of these, kept in the compute dtype beside their masters
    double rows = 0.0;        ///< of a micro-batch
    double length = 0.0;      ///< tokens of a row
    double compute = 4.0;     ///< bytes of a number the model computes with
    double master = 4.0;      ///< bytes of a number the optimizer keeps
    double moment = 4.0;      ///< bytes of one of its two moments
    double program = 0.0;     ///< bytes of the process without the run
    StackedLora lora;
    LayerMemory memory;
    bool mayTile = true; ///< false: layers that keep nothing work on whole rows too

    /// Whether attention is the processor's own kernel, which writes its results in place.
    bool attendsInTiles() const { return device == DeviceKind::Cpu && compute < 8.0; }
    /// Of a micro-batch, on this device.
    double tokens() const { return rows * length / sharding.sequenceParallel; }
    /// Tokens with their halo that a layer which keeps nothing works on at a time; 0: all.
    double tileTokens(const RunConfig& config) const;
    bool hasComputeCopy() const { return compute != master; }
    double share() const { return sharding.dividesWeights ? 1.0 / sharding.ranks : 1.0; }
    /// In full and in 4 bits, of the whole model.
    double fullBytes() const { return (frozen - quantized) * compute; }
    double packedBytes() const { return quantized * kNf4Bytes; }
    double frozenBytes() const { return fullBytes() + packedBytes(); }
    double layerBytes() const { return layerFrozen * (quantized > 0.0 ? kNf4Bytes : compute); }
    /// The layer in use and the next one.
    double gatheredBytes() const { return sharding.dividesWeights ? 2.0 * layerBytes() : 0.0; }
    /// The layer in use, in full.
    double unpackedBytes() const { return quantized > 0.0 ? layerFrozen * compute : 0.0; }
    /// Masters can be divided where every device has the copy to compute with.
    double mastersHere() const { return hasComputeCopy() ? updated / sharding.ranks : updated; }
    double momentsHere() const { return 2.0 * updated / sharding.ranks; }
};

/// Stacks of threads and buffers of matrix products on a processor, beside what the program takes
/// by itself. Measured: the peak resident set of a run on a model of 40,000 parameters is 20 MiB
/// above the program's at the start.
inline constexpr double kThreadBytes = 20.0 * 1024.0 * 1024.0;

/// With memory.recompute auto still unresolved where it is auto: see chooseMemory().
PlanQuantities quantitiesOf(const ModelConfig& model, const RunConfig& config,
                            const DeviceProfile& device, const DataFacts& data = {});

/// Whether there is a device beside the host, and the config lets it use both.
bool mayOffload(const RunConfig& config, const PlanQuantities& q);
/// Resolves recompute auto: of 80 % of the device's memory, what the rest does not need may be
/// kept.
void chooseMemory(const ModelConfig& model, const RunConfig& config, const DeviceProfile& device,
                  PlanQuantities& q);

/// Bytes of weights, gradients and moments of what is trained, on this device.
double trainedBytes(const PlanQuantities& q);
double keptBytes(const ModelConfig& model, const PlanQuantities& q);
/// On the host, for what memory.offload keeps there.
double hostBytes(const ModelConfig& model, const PlanQuantities& q);
/// Whether the machine has that for all of its devices, or what it has is unknown.
bool hostHolds(const ModelConfig& model, const DeviceProfile& device, const PlanQuantities& q);
/// Scores of one block of queries under a sliding window, their gradient and a product: of 256
/// queries, one head of each kv head at a time.
double windowBytes(const ModelConfig& model, const PlanQuantities& q);
/// The most that is alive in the backward pass beside what the first layers' levels keep: of the
/// layer where that and what is kept up to it are largest.
double backwardBytes(const ModelConfig& model, const RunConfig& config, const PlanQuantities& q);
/// Logits of a chunk become their gradient in place; last hidden states and their gradient.
double lossBytes(const ModelConfig& model, const PlanQuantities& q);
/// Alive at the peak of a micro-batch: what is kept, and backward of a layer or the loss.
double trainingActivationBytes(const ModelConfig& model, const RunConfig& config,
                               const PlanQuantities& q);
/// A row read with full attention and without gradients, a layer at a time; 0: the run never does.
double heldOutBytes(const ModelConfig& model, const RunConfig& config, const PlanQuantities& q);
/// What a GPU's attention takes for itself: a sum of exponentials for each head and token of the
/// layers that keep attention's result, and the gradient of half of the heads' queries in fp32.
double attentionKernelBytes(const ModelConfig& model, const RunConfig& config,
                            const PlanQuantities& q);
/// Keys and values of half a group for half of the heads, from the device before, and their
/// gradient to it.
double haloBytes(const ModelConfig& model, const RunConfig& config, const PlanQuantities& q);

/// The sum of all items, without their text.
double peakOf(const ModelConfig& model, const RunConfig& config, const PlanQuantities& q);

} // namespace longlora
