// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes: B batch, S seq, H heads, K kv heads, D head_dim.
#include "core/engine/model/decoder_model.h"

#include "core/engine/tensor/kernel_bridge.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

namespace longlora {

namespace {

/// nullptr: not a linear map of the layer.
LoraLinear* linearOf(DecoderLayer& layer, ModelPart part)
{
    switch (part) {
    case ModelPart::Query:
        return &layer.q;
    case ModelPart::Key:
        return &layer.k;
    case ModelPart::Value:
        return &layer.v;
    case ModelPart::QueryKeyValue:
        return &layer.qkv;
    case ModelPart::AttentionOutput:
        return &layer.o;
    case ModelPart::Gate:
        return &layer.gate;
    case ModelPart::Up:
        return &layer.up;
    case ModelPart::Down:
        return &layer.down;
    default:
        return nullptr;
    }
}

Norm& normOf(DecoderLayer& layer, ModelPart part)
{
    switch (part) {
    case ModelPart::QueryNorm:
        return layer.queryNorm;
    case ModelPart::KeyNorm:
        return layer.keyNorm;
    case ModelPart::PostAttentionNorm:
        return layer.postAttentionNorm;
    default:
        return layer.inputNorm;
    }
}

template <class WeightAndBias>
at::Tensor& oneOf(WeightAndBias& both, bool isBias)
{
    return isBias ? both.bias : both.weight;
}

struct Heads {
    at::Tensor q_BSHD, k_BSKD, v_BSKD;
};

Heads projectedHeads(const DecoderLayer& layer, const ModelConfig& config, const at::Tensor& x)
{
    const auto heads = [&](const at::Tensor& y, std::int64_t width) {
        return y.view({x.size(0), x.size(1), -1, width});
    };
    if (config.fusedQueryKeyValue) {
        const auto parts = heads(layer.qkv.forward(x), 3 * config.headDim).split(config.headDim, 3);
        // A copy of v lets the three go: rotated copies of q and k are made anyway.
        return {parts[0], parts[1], parts[2].contiguous()};
    }
    Heads projected{heads(layer.q.forward(x), config.headDim),
                    heads(layer.k.forward(x), config.headDim),
                    heads(layer.v.forward(x), config.headDim)};
    if (config.queryKeyNorm) {
        projected.q_BSHD =
            fusedRmsNorm(projected.q_BSHD, layer.queryNorm.weight, config.normEpsilon);
        projected.k_BSKD = fusedRmsNorm(projected.k_BSKD, layer.keyNorm.weight, config.normEpsilon);
    }
    return projected;
}

at::Tensor attentionForward(const DecoderLayer& layer, const ModelConfig& config,
                            const at::Tensor& x, const RotaryTable& rotary, const Attend& attend)
{
    const Heads heads = projectedHeads(layer, config, x);
    const at::Tensor mixed =
        attend(fusedRotary(heads.q_BSHD, rotary.cos, rotary.sin),
               fusedRotary(heads.k_BSKD, rotary.cos, rotary.sin), heads.v_BSKD);
    return layer.o.forward(
        mixed.reshape({x.size(0), x.size(1), config.headCount * config.headDim}));
}

at::Tensor mlpForward(const DecoderLayer& layer, const ModelConfig& config, const at::Tensor& x)
{
    if (config.gatedMlp) {
        return layer.down.forward(fusedSwiglu(layer.gate.forward(x), layer.up.forward(x)));
    }
    const char* const approximation = config.activation == Activation::GeluTanh ? "tanh" : "none";
    return layer.down.forward(at::gelu(layer.up.forward(x), approximation));
}

} // namespace

at::Tensor& weightTensor(DecoderModel& model, const WeightShape& shape)
{
    switch (shape.part) {
    case ModelPart::Embedding:
        return model.embedTokens;
    case ModelPart::FinalNorm:
        return oneOf(model.finalNorm, shape.isBias);
    case ModelPart::Head:
        return model.lmHead;
    default:
        break;
    }
    DecoderLayer& layer = model.layers[static_cast<std::size_t>(shape.layer)];
    LoraLinear* const linear = linearOf(layer, shape.part);
    return linear != nullptr ? oneOf(*linear, shape.isBias)
                             : oneOf(normOf(layer, shape.part), shape.isBias);
}

void forEachWeight(DecoderModel& model,
                   const std::function<void(const WeightShape&, at::Tensor&)>& visit)
{
    // Whether the head is tied is a matter of the tensors, and may be settled while we walk.
    ModelConfig config = model.config;
    config.tiedEmbeddings = false;
    for (const WeightShape& shape : weightShapes(config)) {
        if (shape.part != ModelPart::Head || !model.headIsTied()) {
            visit(shape, weightTensor(model, shape));
        }
    }
}

void forEachLinear(DecoderModel& model,
                   const std::function<void(const WeightShape&, LoraLinear&)>& visit)
{
    for (std::size_t i = 0; i < model.layers.size(); ++i) {
        const auto shapes = layerWeightShapes(model.config, static_cast<std::int64_t>(i));
        for (const WeightShape& shape : shapes) {
            LoraLinear* const linear = linearOf(model.layers[i], shape.part);
            if (linear != nullptr && !shape.isBias) {
                visit(shape, *linear);
            }
        }
    }
}

void stackLora(DecoderLayer& layer, const ModelConfig& config)
{
    layer.attentionLora =
        stackLora(config.fusedQueryKeyValue ? std::vector{&layer.qkv}
                                            : std::vector{&layer.q, &layer.k, &layer.v});
    layer.mlpLora =
        stackLora(config.gatedMlp ? std::vector{&layer.up, &layer.gate} : std::vector{&layer.up});
}

at::Tensor embed(const DecoderModel& model, const at::Tensor& ids)
{
    return at::embedding(model.embedTokens, ids);
}

at::Tensor normForward(const Norm& norm, const ModelConfig& config, const at::Tensor& x)
{
    if (config.norm == NormKind::Rms) {
        return fusedRmsNorm(x, norm.weight, config.normEpsilon);
    }
    return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, config.normEpsilon);
}

at::Tensor layerForward(const DecoderLayer& layer, const ModelConfig& config,
                        const at::Tensor& hidden, const RotaryTable& rotary, const Attend& attend)
{
    const at::Tensor attended = attentionForward(
        layer, config, normForward(layer.inputNorm, config, hidden), rotary, attend);
    const auto mlpOf = [&](const at::Tensor& x) {
        return mlpForward(layer, config, normForward(layer.postAttentionNorm, config, x));
    };
    if (config.parallelResidual) {
        return mlpOf(hidden) + attended + hidden;
    }
    const at::Tensor middle = hidden + attended;
    return middle + mlpOf(middle);
}

at::Tensor headForward(const DecoderModel& model, const at::Tensor& hidden)
{
    return fusedLinear(normForward(model.finalNorm, model.config, hidden), model.lmHead);
}

} // namespace longlora
