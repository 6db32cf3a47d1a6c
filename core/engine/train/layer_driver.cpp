// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes: B batch, S seq, T = B S, d hidden.
#include "core/engine/train/layer_driver.h"

#include "core/engine/model/forward.h"
#include "core/engine/model/quantized_linears.h"
#include "core/engine/train/chunked_loss.h"
#include "core/engine/train/layer/tiled_layer_pass.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>

#include <utility>

namespace longlora {

LayerDriver::LayerDriver(DecoderModel& model, TrainableSet& trainables, LayerMemory memory)
    : m_model(model)
    , m_trainables(trainables)
    , m_memory(std::move(memory))
{}

void LayerDriver::setMemory(LayerMemory memory)
{
    m_memory = std::move(memory);
    m_stash.reset();
    m_unpacked = {};
}

const RotaryTable& LayerDriver::rotaryFor(std::int64_t length)
{
    if (length != m_rotaryLength) {
        const ModelConfig& config = m_model.config;
        m_rotary = rotaryTable(config.rope, config.rotaryDim(), 0, length, length, m_model.device(),
                               m_model.dtype());
        m_rotaryLength = length;
    }
    return m_rotary;
}

const DecoderLayer& LayerDriver::layerOf(std::size_t layer)
{
    const DecoderLayer& stored = m_model.layers[layer];
    if (!stored.o.nf4) {
        return stored;
    }
    unpackLinears(stored, m_model.config, m_model.dtype(), m_unpacked);
    return m_unpacked;
}

LayerPass LayerDriver::passOf(std::size_t layer, const TrainingBatch& batch)
{
    return {layerOf(layer), m_trainables.gradients().layers[layer],
            m_model.config, rotaryFor(batch.layout.length),
            batch.layout,   m_memory.mlpTile};
}

bool LayerDriver::worksInTiles(std::size_t layer, const TrainingBatch& batch) const
{
    return m_memory.recomputeOf(layer) == RecomputeLevel::Full &&
           canTile(batch.layout, m_memory.groupTile);
}

void LayerDriver::offload(std::size_t layer, LayerActivations& kept)
{
    if (!isOffloaded(layer)) {
        return;
    }
    const std::size_t count = m_model.layers.size() - 1;
    if (!m_stash || !m_stash->suits(kept.hidden, count)) {
        m_stash.reset(); // before the new one takes its memory
        m_stash.emplace(kept.hidden, count);
    }
    m_stash->put(layer, kept.hidden);
    kept.hidden.reset();
}

void LayerDriver::fetch(std::size_t layer, LayerActivations& kept)
{
    if (isOffloaded(layer)) {
        kept.hidden = m_stash->take(layer);
    }
    if (layer > 0 && isOffloaded(layer - 1)) {
        m_stash->prefetch(layer - 1);
    }
}

at::Tensor LayerDriver::forwardBackward(const TrainingBatch& batch, double gradientScale)
{
    const c10::NoGradGuard noGradients;
    std::vector<LayerActivations> kept(m_model.layers.size());
    at::Tensor hidden = embed(m_model, batch.ids).flatten(0, 1);
    for (std::size_t layer = 0; layer < kept.size(); ++layer) {
        hidden =
            worksInTiles(layer, batch)
                ? tiledLayerForward(passOf(layer, batch), m_memory.groupTile, hidden, kept[layer])
                : layerPassForward(passOf(layer, batch), hidden, m_memory.recomputeOf(layer),
                                   kept[layer]);
        offload(layer, kept[layer]);
    }
    ChunkedLoss loss = chunkedLossAndGradient(m_model, hidden, batch.targets.flatten(),
                                              gradientScale, m_trainables.gradients());
    hidden.reset();
    for (std::size_t layer = kept.size(); layer-- > 0;) {
        fetch(layer, kept[layer]);
        if (worksInTiles(layer, batch)) {
            tiledLayerBackward(passOf(layer, batch), m_memory.groupTile, kept[layer],
                               loss.hiddenGradient);
        } else {
            layerPassBackward(passOf(layer, batch), kept[layer], loss.hiddenGradient);
        }
    }
    m_trainables.addEmbeddingGradient(batch.ids, loss.hiddenGradient);
    return loss.lossSum;
}

at::Tensor LayerDriver::forwardLoss(const TrainingBatch& batch)
{
    const c10::NoGradGuard noGradients;
    at::Tensor hidden = embed(m_model, batch.ids).flatten(0, 1);
    for (std::size_t layer = 0; layer < m_model.layers.size(); ++layer) {
        LayerActivations kept;
        hidden = layerPassForward(passOf(layer, batch), hidden, RecomputeLevel::Full, kept);
    }
    return tokenLosses(m_model, hidden, batch.targets.flatten()).sum();
}

} // namespace longlora
