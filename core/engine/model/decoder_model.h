// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/model/lora.h"
#include "core/engine/model/lora_stack.h"
#include "core/engine/model/rotary_embedding.h"
#include "core/spec/config/model_weights.h"

#include <functional>
#include <string>
#include <vector>

namespace longlora {

/// The tensors of a normalisation. Shapes: [width].
struct Norm {
    at::Tensor weight;
    at::Tensor bias; ///< NormKind::Layer only
};

/// One decoder layer's tensors: those that the model's config asks for are defined.
struct DecoderLayer {
    Norm inputNorm;
    LoraLinear q, k, v;
    LoraLinear qkv;          ///< instead of the three: rows of each head's q, k and v in turn
    Norm queryNorm, keyNorm; ///< [head_dim], for all heads
    LoraLinear o;
    Norm postAttentionNorm;
    LoraLinear gate, up, down;
    LoraStack attentionLora; ///< of what reads attention's input; no update: empty
    LoraStack mlpLora;       ///< of what reads the MLP's input
};

/// A decoder model as plain tensors. All of one dtype on one device; weights do not require
/// gradients unless something is trained.
struct DecoderModel {
    ModelConfig config;
    at::Tensor embedTokens; ///< [vocabulary, hidden]; rows may exceed the tokenizer's
    std::vector<DecoderLayer> layers;
    Norm finalNorm;
    at::Tensor lmHead; ///< [vocabulary, hidden]; the same tensor as embedTokens when tied

    at::Device device() const { return embedTokens.device(); }
    at::ScalarType dtype() const { return embedTokens.scalar_type(); }
    bool headIsTied() const { return lmHead.is_same(embedTokens); }
};

/// The tensor that a row of the table describes.
at::Tensor& weightTensor(DecoderModel& model, const WeightShape& shape);
/// Every base weight with its row of the table, in the table's order; the head only if it is a
/// tensor of its own. Load, save, merge and the optimizer walk the model through here.
void forEachWeight(DecoderModel& model,
                   const std::function<void(const WeightShape&, at::Tensor&)>& visit);
/// Makes one matrix of the low-rank updates of what reads the same input, and of its weights.
void stackLora(DecoderLayer& layer, const ModelConfig& config);

/// Every linear map of the layers with the row of its weight.
void forEachLinear(DecoderModel& model,
                   const std::function<void(const WeightShape&, LoraLinear&)>& visit);

/// What a layer calls for attention: q [batch, seq, heads, head_dim], k and v
/// [batch, seq, kv heads, head_dim], rotary embedding applied -> [batch, seq, heads, head_dim].
using Attend =
    std::function<at::Tensor(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)>;

/// Shapes: ids [batch, seq] int64 -> [batch, seq, hidden].
at::Tensor embed(const DecoderModel& model, const at::Tensor& ids);
/// One layer. Shapes: hidden [batch, seq, hidden] -> the same. Differentiable.
at::Tensor layerForward(const DecoderLayer& layer, const ModelConfig& config,
                        const at::Tensor& hidden, const RotaryTable& rotary, const Attend& attend);
/// The config's kind of norm. Shapes: x [..., width] -> the same. Differentiable.
at::Tensor normForward(const Norm& norm, const ModelConfig& config, const at::Tensor& x);
/// Final norm and head. Shapes: hidden [..., hidden] -> [..., vocabulary].
at::Tensor headForward(const DecoderModel& model, const at::Tensor& hidden);

} // namespace longlora
