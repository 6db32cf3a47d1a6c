// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace longlora {

/// The tensors a decoder can have, in the order of our files.
enum class ModelPart {
    Embedding,
    InputNorm,
    Query,
    Key,
    Value,
    QueryKeyValue, ///< the three in one
    QueryNorm,
    KeyNorm,
    AttentionOutput,
    Gate,
    Up,
    Down,
    PostAttentionNorm, ///< before the MLP
    FinalNorm,
    Head,
};
inline constexpr std::size_t kModelPartCount = 15;

constexpr bool isNorm(ModelPart part)
{
    return part == ModelPart::InputNorm || part == ModelPart::QueryNorm ||
           part == ModelPart::KeyNorm || part == ModelPart::PostAttentionNorm ||
           part == ModelPart::FinalNorm;
}
constexpr bool isEnd(ModelPart part)
{
    return part == ModelPart::Embedding || part == ModelPart::FinalNorm || part == ModelPart::Head;
}
/// Linear maps of a layer: what LoRA updates. The head is not one of them.
constexpr bool isLayerLinear(ModelPart part)
{
    return !isNorm(part) && !isEnd(part);
}
constexpr bool isAttentionLinear(ModelPart part)
{
    return part == ModelPart::Query || part == ModelPart::Key || part == ModelPart::Value ||
           part == ModelPart::QueryKeyValue || part == ModelPart::AttentionOutput;
}

/// What a config.json says of a window of attention, by family.
enum class WindowRule {
    None,     ///< there is no such key
    Always,   ///< sliding_window; a file without the key means 4096, null means none
    Switched, ///< use_sliding_window turns it on, from layer max_window_layers on
};

/// How a family names its weights and what its code does that its config.json leaves unsaid. One
/// row for each family; everything that the mathematics needs is copied into ModelConfig.
/// Source: transformers 5.17 and 4.46, configuration_*.py and modeling_*.py.
struct ModelFamily {
    std::string_view architecture; ///< "LlamaForCausalLM"
    std::string_view modelType;    ///< "llama"
    std::string_view layerPrefix;  ///< "model.layers."
    /// Module names by ModelPart, of layers below "N."; empty: the family has no such part.
    std::array<std::string_view, kModelPartCount> modules;

    NormKind norm;
    std::string_view normEpsilonKey;
    double normEpsilon; ///< where the file says none
    bool gatedMlp;
    std::string_view activation; ///< where the file says none
    bool queryKeyNorm;
    bool fusedQueryKeyValue;
    bool readsAttentionBias; ///< key attention_bias: of q, k, v and the output; else it must be off
    bool attentionBias;      ///< where the file says none
    bool queryKeyValueBias;  ///< q, k and v have biases without any key
    bool readsMlpBias;       ///< key mlp_bias; else it must be off
    bool mlpBias;            ///< where the file says none
    bool readsParallelResidual;          ///< key use_parallel_residual, on where the file says none
    double rotaryFraction;               ///< where the file says none
    std::string_view thetaKey;           ///< of transformers 4
    std::optional<std::int64_t> headDim; ///< where the file says none; else hidden / heads
    bool needsKvHeads;                   ///< a file without them does not mean one per head
    WindowRule window;

    constexpr std::string_view module(ModelPart part) const
    {
        return modules[static_cast<std::size_t>(part)];
    }
    /// The name by which LoRA targets a linear map, the last part of its module's: "q_proj",
    /// "query_key_value"; empty where the family has no such part.
    constexpr std::string_view loraName(ModelPart part) const
    {
        return module(part).substr(module(part).rfind('.') + 1);
    }
};

/// All rows, Llama first.
const std::array<ModelFamily, 5>& modelFamilies();
/// nullptr: not supported.
const ModelFamily* findModelFamily(std::string_view architecture);
/// The row of `config.architecture`; Llama's for a config that is still being typed.
const ModelFamily& familyOf(const ModelConfig& config);
/// "LlamaForCausalLM, MistralForCausalLM, ..."
std::string supportedArchitectures();

} // namespace longlora
