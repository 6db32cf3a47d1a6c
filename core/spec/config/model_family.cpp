// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/model_family.h"

#include <algorithm>

namespace longlora {

namespace {

using Modules = std::array<std::string_view, kModelPartCount>;

/// Order of ModelPart.
constexpr Modules kLlamaModules = {"model.embed_tokens",
                                   "input_layernorm",
                                   "self_attn.q_proj",
                                   "self_attn.k_proj",
                                   "self_attn.v_proj",
                                   "",
                                   "",
                                   "",
                                   "self_attn.o_proj",
                                   "mlp.gate_proj",
                                   "mlp.up_proj",
                                   "mlp.down_proj",
                                   "post_attention_layernorm",
                                   "model.norm",
                                   "lm_head"};

constexpr Modules withQueryKeyNorm()
{
    Modules modules = kLlamaModules;
    modules[static_cast<std::size_t>(ModelPart::QueryNorm)] = "self_attn.q_norm";
    modules[static_cast<std::size_t>(ModelPart::KeyNorm)] = "self_attn.k_norm";
    return modules;
}

constexpr Modules kNeoxModules = {"gpt_neox.embed_in",
                                  "input_layernorm",
                                  "",
                                  "",
                                  "",
                                  "attention.query_key_value",
                                  "",
                                  "",
                                  "attention.dense",
                                  "",
                                  "mlp.dense_h_to_4h",
                                  "mlp.dense_4h_to_h",
                                  "post_attention_layernorm",
                                  "gpt_neox.final_layer_norm",
                                  "embed_out"};

constexpr ModelFamily kLlama = {
    .architecture = "LlamaForCausalLM",
    .modelType = "llama",
    .layerPrefix = "model.layers.",
    .modules = kLlamaModules,
    .norm = NormKind::Rms,
    .normEpsilonKey = "rms_norm_eps",
    .normEpsilon = 1e-6,
    .gatedMlp = true,
    .activation = "silu",
    .queryKeyNorm = false,
    .fusedQueryKeyValue = false,
    .readsAttentionBias = true,
    .attentionBias = false,
    .queryKeyValueBias = false,
    .readsMlpBias = true,
    .mlpBias = false,
    .readsParallelResidual = false,
    .rotaryFraction = 1.0,
    .thetaKey = "rope_theta",
    .headDim = {},
    .needsKvHeads = false,
    .window = WindowRule::None,
};

constexpr ModelFamily mistral()
{
    ModelFamily family = kLlama;
    family.architecture = "MistralForCausalLM";
    family.modelType = "mistral";
    family.readsAttentionBias = false;
    family.readsMlpBias = false;
    family.needsKvHeads = true;
    family.window = WindowRule::Always;
    return family;
}

constexpr ModelFamily qwen2()
{
    ModelFamily family = mistral();
    family.architecture = "Qwen2ForCausalLM";
    family.modelType = "qwen2";
    family.queryKeyValueBias = true;
    family.window = WindowRule::Switched;
    return family;
}

constexpr ModelFamily qwen3()
{
    constexpr std::int64_t kHeadDim = 128;
    ModelFamily family = qwen2();
    family.architecture = "Qwen3ForCausalLM";
    family.modelType = "qwen3";
    family.modules = withQueryKeyNorm();
    family.queryKeyValueBias = false;
    family.readsAttentionBias = true;
    family.queryKeyNorm = true;
    family.headDim = kHeadDim;
    return family;
}

constexpr ModelFamily gptNeox()
{
    ModelFamily family = kLlama;
    family.architecture = "GPTNeoXForCausalLM";
    family.modelType = "gpt_neox";
    family.layerPrefix = "gpt_neox.layers.";
    family.modules = kNeoxModules;
    family.norm = NormKind::Layer;
    family.normEpsilonKey = "layer_norm_eps";
    family.normEpsilon = 1e-5;
    family.gatedMlp = false;
    family.activation = "gelu";
    family.fusedQueryKeyValue = true;
    family.attentionBias = true;
    family.readsMlpBias = false;
    family.mlpBias = true;
    family.readsParallelResidual = true;
    family.rotaryFraction = 0.25;
    family.thetaKey = "rotary_emb_base";
    return family;
}

constexpr std::array<ModelFamily, 5> kFamilies = {kLlama, mistral(), qwen2(), qwen3(), gptNeox()};

} // namespace

const std::array<ModelFamily, 5>& modelFamilies()
{
    return kFamilies;
}

const ModelFamily* findModelFamily(std::string_view architecture)
{
    const auto* const found =
        std::find_if(kFamilies.begin(), kFamilies.end(), [&](const ModelFamily& family) {
            return family.architecture == architecture;
        });
    return found == kFamilies.end() ? nullptr : found;
}

const ModelFamily& familyOf(const ModelConfig& config)
{
    const ModelFamily* const family = findModelFamily(config.architecture);
    return family != nullptr ? *family : kFamilies.front();
}

std::string supportedArchitectures()
{
    std::string names;
    for (const ModelFamily& family : kFamilies) {
        names += (names.empty() ? "" : ", ") + std::string(family.architecture);
    }
    return names;
}

} // namespace longlora
