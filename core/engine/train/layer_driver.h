// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/attention/attention_layout.h"
#include "core/engine/model/decoder_model.h"
#include "core/engine/train/trainable_set.h"

namespace longlora {

/// One micro-batch on the model's device.
struct TrainingBatch {
    at::Tensor ids;     ///< [batch, seq] int64
    at::Tensor targets; ///< [batch, seq] int64: the token after each position, or kIgnoredLabel
    AttentionLayout layout;
};

/// Runs the layers by hand: forward without autograd, keeping each layer's input; backward one
/// layer at a time with a small graph of its own. Gradients equal end-to-end autograd.
class LayerDriver {
public:
    /// What the forward pass keeps for the backward: graphs of all layers (RecomputeLevel::None),
    /// or hidden states only (Full).
    LayerDriver(DecoderModel& model, TrainableSet& trainables, RecomputeLevel recompute);

    /// Sum of the cross-entropy over scored positions, [] fp64 on the device (no host sync). Adds
    /// the gradient of sum x `gradientScale` to the trainables.
    at::Tensor forwardBackward(const TrainingBatch& batch, double gradientScale);
    /// The same sum without gradients.
    at::Tensor forwardLoss(const TrainingBatch& batch);

private:
    struct LayerGraph {
        at::Tensor input;
        at::Tensor output;
    };
    const RotaryTable& rotaryFor(std::int64_t length);
    LayerGraph runLayer(std::size_t layer, const at::Tensor& input, const TrainingBatch& batch);
    at::Tensor backwardLayer(std::size_t layer, const LayerGraph& graph,
                             const at::Tensor& gradient);
    void addEmbeddingGradient(const at::Tensor& ids, const at::Tensor& gradient);

    DecoderModel& m_model;
    TrainableSet& m_trainables;
    bool m_keepGraphs;
    RotaryTable m_rotary;
    std::int64_t m_rotaryLength = -1;
};

} // namespace longlora
