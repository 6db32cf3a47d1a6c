// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/model/lora.h"
#include "core/engine/model/rotary_embedding.h"
#include "core/spec/config/model_config.h"

#include <functional>
#include <string>
#include <vector>

namespace longlora {

/// One decoder layer's tensors. Norm weights [hidden].
struct DecoderLayer {
    at::Tensor inputNorm;
    LoraLinear q, k, v, o;
    at::Tensor postAttentionNorm;
    LoraLinear gate, up, down;
};

/// A decoder model as plain tensors. All of one dtype on one device; weights do not require
/// gradients unless something is trained.
struct DecoderModel {
    ModelConfig config;
    at::Tensor embedTokens; ///< [vocabulary, hidden]; rows may exceed the tokenizer's
    std::vector<DecoderLayer> layers;
    at::Tensor finalNorm; ///< [hidden]
    at::Tensor lmHead;    ///< [vocabulary, hidden]; the same tensor as embedTokens when tied

    at::Device device() const { return embedTokens.device(); }
    at::ScalarType dtype() const { return embedTokens.scalar_type(); }
    bool headIsTied() const { return lmHead.is_same(embedTokens); }
};

/// Every base weight under its Hugging Face name ("model.layers.0.self_attn.q_proj.weight"), in
/// file order; "lm_head.weight" only if it is a tensor of its own. Load, save, merge, the optimizer
/// and the planner's check all walk the model through here.
void forEachWeight(DecoderModel& model,
                   const std::function<void(const std::string&, at::Tensor&)>& visit);
/// Every linear map of the layers under its module name ("model.layers.0.self_attn.q_proj").
void forEachLinear(DecoderModel& model,
                   const std::function<void(const std::string&, LoraLinear&)>& visit);

/// The shape `config` demands of each weight, in forEachWeight's order (head only if untied).
struct WeightShape {
    std::string name;
    std::vector<std::int64_t> sizes;
};
std::vector<WeightShape> weightShapes(const ModelConfig& config);

/// What a layer calls for attention: q [batch, seq, heads, head_dim], k and v
/// [batch, seq, kv heads, head_dim], rotary embedding applied -> [batch, seq, heads, head_dim].
using Attend =
    std::function<at::Tensor(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)>;

/// Shapes: ids [batch, seq] int64 -> [batch, seq, hidden].
at::Tensor embed(const DecoderModel& model, const at::Tensor& ids);
/// One layer. Shapes: hidden [batch, seq, hidden] -> the same. Differentiable.
at::Tensor layerForward(const DecoderLayer& layer, const ModelConfig& config,
                        const at::Tensor& hidden, const RotaryTable& rotary, const Attend& attend);
/// Final norm and head. Shapes: hidden [..., hidden] -> [..., vocabulary].
at::Tensor headForward(const DecoderModel& model, const at::Tensor& hidden);

} // namespace longlora
