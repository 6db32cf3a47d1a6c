// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace longlora {

/// How the layers of a training step spend memory.
struct LayerMemory {
    /// By layer, none of them Auto; the last one holds for all further layers.
    std::vector<RecomputeLevel> recompute{RecomputeLevel::Full};
    std::int64_t mlpTile = 0; ///< tokens that an MLP works on at a time; 0: all
    bool offload = false;     ///< layers' inputs wait on the host, all but a few
    /// Tokens of a row that a layer which keeps nothing (Full) works on at a time where attention
    /// is S2; 0: all.
    std::int64_t groupTile = 0;

    RecomputeLevel recomputeOf(std::size_t layer) const
    {
        return layer < recompute.size() ? recompute[layer] : recompute.back();
    }
    bool operator==(const LayerMemory&) const = default;
};

/// The low-rank updates of what reads the same input, which are one matrix with their weights
/// (core/engine/model/lora_stack.h).
struct StackedLora {
    double attentionRank = 0.0; ///< of q, k and v together
    double mlpRank = 0.0;       ///< of gate and up together
    double numbers = 0.0;       ///< in A and B of these, of one layer
};
StackedLora stackedLora(const ModelConfig& model, const RunConfig& config);

/// Numbers per token that one layer keeps from its forward to its backward pass.
double keptPerToken(const ModelConfig& model, RecomputeLevel level);

/// Numbers per token that attention's backward takes beside gradients, where its kernel has results
/// of its own: those of one dense call, and a copy. Of one query head for each kv head, of half of
/// them under S2.
double attentionCallWidth(const ModelConfig& model, const RunConfig& config);

/// Bytes that a thread of the processor's attention takes in the backward pass: keys and values of
/// the longest segment of one head, its keys once more transposed, and their gradients in fp32.
double attentionScratchBytes(const ModelConfig& model, const RunConfig& config, double length,
                             double computeBytes);

/// What the backward pass of one layer works on.
struct LayerWork {
    RecomputeLevel level = RecomputeLevel::Full;
    std::int64_t mlpTile = 0;    ///< tokens; 0: all
    double tokens = 0.0;         ///< of the micro-batch
    double tileTokens = 0.0;     ///< of these, with the halo, that are worked on at a time; 0: all
    double attentionExtra = 0.0; ///< numbers of its kernel: attentionCallWidth x tokens, or scratch
    StackedLora lora;
};

/// Layers whose input is on the device at one time with LayerMemory::offload: the one in use, and
/// two that come or go.
inline constexpr std::int64_t kLayersInFlight = 3;

/// Numbers alive at once in the backward pass of one layer beside what is kept: what is computed
/// again, and gradients.
double workedOn(const ModelConfig& model, const RunConfig& config, const LayerWork& work);

/// The tokens that `memory.tile` names; nothing for auto and for what is no positive number.
std::optional<std::int64_t> namedTileTokens(const std::string& tile);

/// Tokens of `memory.tile`; auto: large enough for fast matrix products, small enough that a tile's
/// intermediate results stay in the caches.
std::int64_t mlpTileTokens(const RunConfig& config);

/// What LayerMemory::groupTile comes to for rows of `rowTokens`: at least two groups, so that a
/// halo of half a group is a small part of it, and enough tokens for fast matrix products. 0 where
/// that is more than half of the row, or attention is full in some step or circular.
std::int64_t groupTileTokens(const RunConfig& config, std::int64_t rowTokens);

/// The richest levels whose kept numbers together are at most `numbers` for `tokens` tokens; where
/// memory.recompute names a level, that one for all. Later layers are the richer ones: what they
/// keep is gone when the backward pass reaches those that compute more again.
LayerMemory chooseLayerMemory(const ModelConfig& model, const RunConfig& config, double tokens,
                              double numbers);

} // namespace longlora
