// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/tensor/host_stash.h"
#include "core/engine/train/layer/layer_pass.h"
#include "core/engine/train/trainable_set.h"
#include "core/spec/plan/layer_memory.h"

#include <optional>
#include <vector>

namespace longlora {

/// One micro-batch on the model's device.
struct TrainingBatch {
    at::Tensor ids;     ///< [batch, seq] int64
    at::Tensor targets; ///< [batch, seq] int64: the token after each position, or kIgnoredLabel
    AttentionLayout layout;
};

/// Runs the layers by hand, forward and back, without autograd. Of each layer is kept what its
/// recompute level says; the rest is computed again. With memory.offload the layers' inputs wait on
/// the host. Gradients equal end-to-end autograd.
class LayerDriver {
public:
    /// `model` and `trainables` outlive this.
    LayerDriver(DecoderModel& model, TrainableSet& trainables, LayerMemory memory);

    /// Sum of the cross-entropy over scored positions, [] fp64 on the device (no host sync). Adds
    /// the gradient of sum x `gradientScale` to the trainables.
    at::Tensor forwardBackward(const TrainingBatch& batch, double gradientScale);
    /// The same sum without gradients.
    at::Tensor forwardLoss(const TrainingBatch& batch);

    /// For the micro-batches that follow; what was kept between them goes.
    void setMemory(LayerMemory memory);

private:
    const RotaryTable& rotaryFor(std::int64_t length);
    /// The layer as it computes: of one kept in 4 bits, an unpacked copy until the next call.
    const DecoderLayer& layerOf(std::size_t layer);
    LayerPass passOf(std::size_t layer, const TrainingBatch& batch);
    bool worksInTiles(std::size_t layer, const TrainingBatch& batch) const;
    /// Whether the layer's input waits on the host; that of the last is wanted at once.
    bool isOffloaded(std::size_t layer) const
    {
        return m_memory.offload && layer + 1 < m_model.layers.size();
    }
    void offload(std::size_t layer, LayerActivations& kept);
    /// Gets the layer's input back, and that of the layer before on its way.
    void fetch(std::size_t layer, LayerActivations& kept);

    DecoderModel& m_model;
    TrainableSet& m_trainables;
    LayerMemory m_memory;
    DecoderLayer m_unpacked;
    std::optional<HostStash> m_stash;
    RotaryTable m_rotary;
    std::int64_t m_rotaryLength = -1;
};

} // namespace longlora
