// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes: B batch, S seq, H heads, K kv heads, D head_dim.
#include "core/engine/model/decoder_model.h"

#include "core/engine/tensor/kernel_bridge.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

namespace longlora {

namespace {

std::string layerPrefix(std::size_t index)
{
    return "model.layers." + std::to_string(index) + ".";
}

void forEachLayerLinear(DecoderLayer& layer, const std::string& prefix,
                        const std::function<void(const std::string&, LoraLinear&)>& visit)
{
    visit(prefix + "self_attn.q_proj", layer.q);
    visit(prefix + "self_attn.k_proj", layer.k);
    visit(prefix + "self_attn.v_proj", layer.v);
    visit(prefix + "self_attn.o_proj", layer.o);
    visit(prefix + "mlp.gate_proj", layer.gate);
    visit(prefix + "mlp.up_proj", layer.up);
    visit(prefix + "mlp.down_proj", layer.down);
}

} // namespace

void forEachWeight(DecoderModel& model,
                   const std::function<void(const std::string&, at::Tensor&)>& visit)
{
    visit("model.embed_tokens.weight", model.embedTokens);
    for (std::size_t i = 0; i < model.layers.size(); ++i) {
        DecoderLayer& layer = model.layers[i];
        const std::string prefix = layerPrefix(i);
        visit(prefix + "input_layernorm.weight", layer.inputNorm);
        forEachLayerLinear(layer, prefix, [&](const std::string& name, LoraLinear& linear) {
            visit(name + ".weight", linear.weight);
        });
        visit(prefix + "post_attention_layernorm.weight", layer.postAttentionNorm);
    }
    visit("model.norm.weight", model.finalNorm);
    if (!model.headIsTied()) {
        visit("lm_head.weight", model.lmHead);
    }
}

void forEachLinear(DecoderModel& model,
                   const std::function<void(const std::string&, LoraLinear&)>& visit)
{
    for (std::size_t i = 0; i < model.layers.size(); ++i) {
        forEachLayerLinear(model.layers[i], layerPrefix(i), visit);
    }
}

std::vector<WeightShape> weightShapes(const ModelConfig& config)
{
    const std::int64_t hidden = config.hiddenSize;
    const std::int64_t queryWidth = config.headCount * config.headDim;
    const std::int64_t kvWidth = config.kvHeadCount * config.headDim;
    const std::int64_t inner = config.intermediateSize;
    std::vector<WeightShape> shapes{{"model.embed_tokens.weight", {config.vocabularySize, hidden}}};
    for (std::int64_t i = 0; i < config.layerCount; ++i) {
        const std::string prefix = layerPrefix(static_cast<std::size_t>(i));
        shapes.push_back({prefix + "input_layernorm.weight", {hidden}});
        shapes.push_back({prefix + "self_attn.q_proj.weight", {queryWidth, hidden}});
        shapes.push_back({prefix + "self_attn.k_proj.weight", {kvWidth, hidden}});
        shapes.push_back({prefix + "self_attn.v_proj.weight", {kvWidth, hidden}});
        shapes.push_back({prefix + "self_attn.o_proj.weight", {hidden, queryWidth}});
        shapes.push_back({prefix + "mlp.gate_proj.weight", {inner, hidden}});
        shapes.push_back({prefix + "mlp.up_proj.weight", {inner, hidden}});
        shapes.push_back({prefix + "mlp.down_proj.weight", {hidden, inner}});
        shapes.push_back({prefix + "post_attention_layernorm.weight", {hidden}});
    }
    shapes.push_back({"model.norm.weight", {hidden}});
    if (!config.tiedEmbeddings) {
        shapes.push_back({"lm_head.weight", {config.vocabularySize, hidden}});
    }
    return shapes;
}

at::Tensor embed(const DecoderModel& model, const at::Tensor& ids)
{
    return at::embedding(model.embedTokens, ids);
}

at::Tensor layerForward(const DecoderLayer& layer, const ModelConfig& config,
                        const at::Tensor& hidden, const RotaryTable& rotary, const Attend& attend)
{
    const std::int64_t batch = hidden.size(0);
    const std::int64_t length = hidden.size(1);
    const std::int64_t headDim = config.headDim;
    const auto heads = [&](const at::Tensor& x, std::int64_t count) {
        return x.view({batch, length, count, headDim});
    };

    const at::Tensor normed = fusedRmsNorm(hidden, layer.inputNorm, config.rmsNormEpsilon);
    const at::Tensor q_BSHD =
        fusedRotary(heads(layer.q.forward(normed), config.headCount), rotary.cos, rotary.sin);
    const at::Tensor k_BSKD =
        fusedRotary(heads(layer.k.forward(normed), config.kvHeadCount), rotary.cos, rotary.sin);
    const at::Tensor v_BSKD = heads(layer.v.forward(normed), config.kvHeadCount);
    const at::Tensor mixed = attend(q_BSHD, k_BSKD, v_BSKD);
    const at::Tensor attended =
        hidden + layer.o.forward(mixed.reshape({batch, length, config.headCount * headDim}));

    const at::Tensor mlpInput =
        fusedRmsNorm(attended, layer.postAttentionNorm, config.rmsNormEpsilon);
    const at::Tensor activated =
        fusedSwiglu(layer.gate.forward(mlpInput), layer.up.forward(mlpInput));
    return attended + layer.down.forward(activated);
}

at::Tensor headForward(const DecoderModel& model, const at::Tensor& hidden)
{
    return at::linear(fusedRmsNorm(hidden, model.finalNorm, model.config.rmsNormEpsilon),
                      model.lmHead);
}

} // namespace longlora
