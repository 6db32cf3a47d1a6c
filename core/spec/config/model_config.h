// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/rope_scaling.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace longlora {

/// Dimensions and variant flags of a decoder model, as read from a Hugging Face `config.json`.
/// Knows nothing of weights. Names follow Hugging Face; counts and sizes in elements.
struct ModelConfig {
    std::string architecture; ///< "LlamaForCausalLM"
    std::int64_t vocabularySize = 0;
    std::int64_t hiddenSize = 0;
    std::int64_t intermediateSize = 0;
    std::int64_t layerCount = 0;
    std::int64_t headCount = 0;
    std::int64_t kvHeadCount = 0;
    std::int64_t headDim = 0;
    std::int64_t maxPositionEmbeddings = 0; ///< tokens, before any rope scaling of factor kind
    double rmsNormEpsilon = 1e-5;
    bool tiedEmbeddings = false;
    RopeScaling rope;
    std::string storedDtype; ///< "float32", "bfloat16", "float16"; empty if the file does not say
    std::optional<std::int64_t> bosTokenId;
    std::vector<std::int64_t> eosTokenIds;

    /// All weights, head counted once when tied.
    std::int64_t parameterCount() const;
    /// Tokens the model was made for: maxPositionEmbeddings times a linear factor; for the other
    /// kinds of scaling what their config says.
    std::int64_t contextLength() const;
    std::int64_t queriesPerKvHead() const { return headCount / kvHeadCount; }
};

/// Reads and checks `folder/config.json` (at most 1 MB, typed, ranges checked).
/// Throws: FormatError naming file and key: unknown architecture, unknown rope type, activation
/// other than silu, biases, sizes out of range, heads not divisible by kv heads.
ModelConfig readModelConfig(const std::filesystem::path& folder);

/// `source`'s config.json as text with only the rotary embedding (and, if given, tying and dtype)
/// replaced, everything else kept as it was: what a merged model is written with.
struct ModelConfigChanges {
    RopeScaling rope;
    std::optional<bool> tiedEmbeddings;
    std::optional<std::string> dtype;
    std::optional<std::int64_t> maxPositionEmbeddings;
};
std::string rewriteModelConfig(const std::filesystem::path& folder, const ModelConfigChanges&);

/// A complete Hugging Face config.json for a model made here.
std::string modelConfigJson(const ModelConfig&);

} // namespace longlora
