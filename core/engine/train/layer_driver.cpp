// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes: B batch, S seq, d hidden.
#include "core/engine/train/layer_driver.h"

#include "core/engine/attention/segmented_attention.h"
#include "core/engine/model/forward.h"
#include "core/engine/train/chunked_loss.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

namespace longlora {

LayerDriver::LayerDriver(DecoderModel& model, TrainableSet& trainables, RecomputeLevel recompute)
    : m_model(model)
    , m_trainables(trainables)
    , m_keepGraphs(recompute == RecomputeLevel::None)
{}

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

LayerDriver::LayerGraph LayerDriver::runLayer(std::size_t layer, const at::Tensor& input,
                                              const TrainingBatch& batch)
{
    LayerGraph graph{input.detach(), {}};
    graph.input.requires_grad_(c10::GradMode::is_enabled());
    const Attend attend = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
        return segmentedAttention(q, k, v, batch.layout);
    };
    graph.output = layerForward(m_model.layers[layer], m_model.config, graph.input,
                                rotaryFor(batch.layout.length), attend);
    return graph;
}

at::Tensor LayerDriver::backwardLayer(std::size_t layer, const LayerGraph& graph,
                                      const at::Tensor& gradient)
{
    torch::autograd::variable_list inputs{graph.input};
    for (const std::size_t index : m_trainables.ofLayer(layer)) {
        inputs.push_back(m_trainables.items()[index].weight);
    }
    const auto gradients = torch::autograd::grad({graph.output}, inputs, {gradient});
    std::size_t next = 1;
    for (const std::size_t index : m_trainables.ofLayer(layer)) {
        m_trainables.items()[index].gradient.add_(gradients[next++]);
    }
    return gradients[0];
}

void LayerDriver::addEmbeddingGradient(const at::Tensor& ids, const at::Tensor& gradient_BSd)
{
    at::Tensor sum = m_trainables.gradientOf(ModelPart::Embedding);
    if (sum.defined()) {
        sum.index_add_(0, ids.flatten(), gradient_BSd.flatten(0, 1).to(sum.scalar_type()));
    }
}

at::Tensor LayerDriver::forwardBackward(const TrainingBatch& batch, double gradientScale)
{
    const c10::NoGradGuard noGradients;
    const std::size_t layerCount = m_model.layers.size();
    std::vector<LayerGraph> graphs(layerCount);
    at::Tensor hidden = embed(m_model, batch.ids);
    for (std::size_t layer = 0; layer < layerCount; ++layer) {
        const at::AutoGradMode recording(m_keepGraphs);
        graphs[layer] = runLayer(layer, hidden, batch);
        hidden = graphs[layer].output.detach();
        if (!m_keepGraphs) {
            graphs[layer].output.reset();
        }
    }

    const ChunkedLoss loss = chunkedLossAndGradient(
        m_model, hidden.flatten(0, 1), batch.targets.flatten(), gradientScale,
        {m_trainables.gradientOf(ModelPart::FinalNorm),
         m_trainables.gradientOf(ModelPart::FinalNorm, true),
         m_trainables.gradientOf(ModelPart::Head)});
    at::Tensor gradient = loss.hiddenGradient.view(hidden.sizes());
    hidden.reset();

    for (std::size_t layer = layerCount; layer-- > 0;) {
        if (!m_keepGraphs) {
            const at::AutoGradMode recording(true);
            graphs[layer] = runLayer(layer, graphs[layer].input, batch);
        }
        gradient = backwardLayer(layer, graphs[layer], gradient);
        graphs.pop_back();
    }
    addEmbeddingGradient(batch.ids, gradient);
    return loss.lossSum;
}

at::Tensor LayerDriver::forwardLoss(const TrainingBatch& batch)
{
    const c10::NoGradGuard noGradients;
    at::Tensor hidden = embed(m_model, batch.ids);
    for (std::size_t layer = 0; layer < m_model.layers.size(); ++layer) {
        hidden = runLayer(layer, hidden, batch).output;
    }
    return tokenLosses(m_model, hidden.flatten(0, 1), batch.targets.flatten()).sum();
}

} // namespace longlora
