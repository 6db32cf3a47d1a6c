// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/rope_scaling.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace longlora {

/// Rms: x / rms(x) times a weight. Layer: (x - mean) / deviation times a weight, plus a bias.
enum class NormKind { Rms, Layer };
/// Of the MLP. GeluTanh is GELU by its tanh approximation.
enum class Activation { Silu, Gelu, GeluTanh };

/// Dimensions and variant flags of a decoder model, as read from a Hugging Face `config.json`: one
/// description for all families. Knows nothing of weights (their names and shapes follow from it in
/// model_weights.h). Names follow Hugging Face; counts and sizes in elements.
struct ModelConfig {
    std::string architecture; ///< "LlamaForCausalLM": names of weights and keys (model_family.h)
    std::int64_t vocabularySize = 0;
    std::int64_t hiddenSize = 0;
    std::int64_t intermediateSize = 0;
    std::int64_t layerCount = 0;
    std::int64_t headCount = 0;
    std::int64_t kvHeadCount = 0;
    std::int64_t headDim = 0;
    std::int64_t maxPositionEmbeddings = 0; ///< tokens, before any rope scaling of factor kind
    NormKind norm = NormKind::Rms;
    double normEpsilon = 1e-5;
    bool queryKeyNorm = false; ///< q and k of each head pass an RMS norm before they are rotated
    bool fusedQueryKeyValue = false; ///< one linear map, for each head q, k and v in turn
    bool queryKeyValueBias = false;
    bool attentionOutputBias = false;
    Activation activation = Activation::Silu;
    bool gatedMlp = true; ///< down(activation(gate(x)) up(x)), else down(activation(up(x)))
    bool mlpBias = false;
    /// The MLP reads the layer's input, not what attention made of it: x + attention(x) + mlp(x).
    bool parallelResidual = false;
    bool tiedEmbeddings = false;
    RopeScaling rope;
    double rotaryFraction = 1.0; ///< part of each head that is rotated, from its first element on
    /// Tokens that a token sees, itself the last of them; 0: all before it.
    std::int64_t slidingWindow = 0;
    std::string storedDtype; ///< "float32", "bfloat16", "float16"; empty if the file does not say
    std::optional<std::int64_t> bosTokenId;
    std::vector<std::int64_t> eosTokenIds;

    bool operator==(const ModelConfig&) const = default;

    /// All weights, head counted once when tied.
    std::int64_t parameterCount() const;
    /// Tokens the model was made for: maxPositionEmbeddings times a linear factor; for the other
    /// kinds of scaling what their config says.
    std::int64_t contextLength() const;
    std::int64_t queriesPerKvHead() const { return headCount / kvHeadCount; }
    /// Elements of each head that are rotated; even.
    std::int64_t rotaryDim() const;
};

/// Reads and checks `folder/config.json` (at most 1 MB, typed, ranges checked): the families of
/// model_family.h. Throws: FormatError naming file and key: unknown architecture, activation or
/// rope type, a field that changes the mathematics in a way we do not compute, sizes out of range,
/// heads not divisible by kv heads.
ModelConfig readModelConfig(const std::filesystem::path& folder);

/// `source`'s config.json as text with only the rotary embedding (and, if given, tying and dtype)
/// replaced, everything else kept as it was: what a merged model is written with.
struct ModelConfigChanges {
    RopeScaling rope;
    std::optional<bool> tiedEmbeddings;
    std::optional<std::string> dtype;
    std::optional<std::int64_t> maxPositionEmbeddings;
    /// Under a linear factor: max_position_embeddings is the product, for readers that take it as
    /// the context, and the length before scaling stands beside the factor.
    bool limitIsTrainedLength = false;
    std::optional<std::int64_t> vocabularySize;
};
/// The rotary embedding is spelled as transformers 4 does, which 5 reads too.
/// Throws: FormatError as readModelConfig, if that cannot read what is there.
std::string rewriteModelConfig(const std::filesystem::path& folder, const ModelConfigChanges&);

/// A complete Hugging Face config.json for a model made here.
std::string modelConfigJson(const ModelConfig&);

} // namespace longlora
