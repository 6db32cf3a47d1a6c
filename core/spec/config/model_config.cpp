// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/model_config.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"
#include "core/spec/config/rope_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace longlora {

namespace {

constexpr std::string_view kLlama = "LlamaForCausalLM";
constexpr JsonLimits kConfigLimits{std::size_t{1} << 20, 16};

// Ranges far above any model, low enough that no product of them overflows.
constexpr std::int64_t kMostLayers = 512;
constexpr std::int64_t kMostHidden = 65536;
constexpr std::int64_t kMostIntermediate = std::int64_t{1} << 20;
constexpr std::int64_t kMostVocabulary = 2'000'000;
constexpr std::int64_t kMostPositions = std::int64_t{1} << 32;
constexpr std::int64_t kLargestTokenId = std::int64_t{1} << 31;

std::string readArchitecture(const JsonObject& json)
{
    constexpr std::string_view kSupported = "Supported: LlamaForCausalLM.";
    const std::vector<std::string> names = json.texts("architectures");
    if (names.size() != 1 || names.front() != kLlama) {
        json.refuse("architectures",
                    "architecture \"" + (names.empty() ? std::string() : names.front()) +
                        "\" is not supported",
                    std::string(kSupported));
    }
    if (json.textOr("model_type", "llama") != "llama") {
        json.refuse("model_type",
                    "\"" + json.text("model_type") + "\" contradicts the architecture " +
                        names.front(),
                    std::string(kSupported));
    }
    return names.front();
}

/// What changes the mathematics and is not implemented is refused, never ignored.
void refuseUnsupportedVariants(const JsonObject& json)
{
    for (const std::string_view key : {"attention_bias", "mlp_bias"}) {
        if (json.booleanOr(key, false)) {
            json.refuse(key, "models with biases are not supported");
        }
    }
    if (const std::string activation = json.textOr("hidden_act", "silu"); activation != "silu") {
        json.refuse("hidden_act", "activation \"" + activation + "\" is not supported",
                    "Supported: silu.");
    }
    if (json.has("quantization_config")) {
        json.refuse("quantization_config", "the weights are stored quantized",
                    "Use the folder with the original weights.");
    }
    if (json.has("partial_rotary_factor") && json.number("partial_rotary_factor", 0, 1) != 1.0) {
        json.refuse("partial_rotary_factor", "rotating a part of each head is not supported");
    }
}

void readHeads(const JsonObject& json, ModelConfig& model)
{
    model.headCount = json.integer("num_attention_heads", 1, kMostHidden);
    model.kvHeadCount = json.integerOr("num_key_value_heads", model.headCount, 1, model.headCount);
    if (model.headCount % model.kvHeadCount != 0) {
        json.refuse("num_key_value_heads", fmt::format("{} does not divide the {} attention heads",
                                                       model.kvHeadCount, model.headCount));
    }
    if (!json.has("head_dim") && model.hiddenSize % model.headCount != 0) {
        json.refuse("num_attention_heads",
                    fmt::format("{} does not divide hidden_size {}, and there is no head_dim",
                                model.headCount, model.hiddenSize));
    }
    model.headDim = json.integerOr("head_dim", model.hiddenSize / model.headCount, 1, kMostHidden);
    if (model.headDim < 4 || model.headDim % 2 != 0) {
        json.refuse(json.has("head_dim") ? "head_dim" : "num_attention_heads",
                    fmt::format("a head dimension of {} cannot be rotated: it must be even and at "
                                "least 4",
                                model.headDim));
    }
    if (model.headCount * model.headDim > kMostIntermediate) {
        json.refuse("num_attention_heads",
                    fmt::format("{} heads of {} are larger than {}", model.headCount, model.headDim,
                                kMostIntermediate));
    }
}

std::string readDtype(const JsonObject& json)
{
    constexpr std::array<std::string_view, 4> kKnown = {"float32", "bfloat16", "float16",
                                                        "float64"};
    std::string found;
    for (const std::string_view key : {"torch_dtype", "dtype"}) {
        if (!json.has(key)) {
            continue;
        }
        std::string name = json.text(key);
        if (name.starts_with("torch.")) {
            name.erase(0, std::string_view("torch.").size());
        }
        if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
            json.refuse(key, "unknown type of number \"" + name + "\"",
                        "Supported: float32, bfloat16, float16, float64.");
        }
        if (!found.empty() && found != name) {
            json.refuse(key, "\"" + name + "\" contradicts torch_dtype \"" + found + "\"");
        }
        found = name;
    }
    return found;
}

void readTokenIds(const JsonObject& json, ModelConfig& model)
{
    if (json.has("bos_token_id")) {
        model.bosTokenId = json.integer("bos_token_id", 0, kLargestTokenId);
    }
    if (json.isArray("eos_token_id")) {
        model.eosTokenIds = json.integers("eos_token_id", 0, kLargestTokenId);
    } else if (json.has("eos_token_id")) {
        model.eosTokenIds = {json.integer("eos_token_id", 0, kLargestTokenId)};
    }
}

} // namespace

ModelConfig readModelConfig(const std::filesystem::path& folder)
{
    const std::filesystem::path file = folder / "config.json";
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) {
        throw FormatError(file.string(), {}, "there is no such file",
                          "Name a Hugging Face model folder: config.json, weights, tokenizer.");
    }
    const JsonObject json =
        JsonObject::parse(readWholeFile(file, kConfigLimits.bytes), file.string(), kConfigLimits);
    ModelConfig model;
    model.architecture = readArchitecture(json);
    refuseUnsupportedVariants(json);
    model.vocabularySize = json.integer("vocab_size", 1, kMostVocabulary);
    model.hiddenSize = json.integer("hidden_size", 1, kMostHidden);
    model.intermediateSize = json.integer("intermediate_size", 1, kMostIntermediate);
    model.layerCount = json.integer("num_hidden_layers", 1, kMostLayers);
    readHeads(json, model);
    model.maxPositionEmbeddings = json.integer("max_position_embeddings", 1, kMostPositions);
    model.rmsNormEpsilon = json.numberOr("rms_norm_eps", 1e-6, 1e-30, 1.0);
    model.tiedEmbeddings = json.booleanOr("tie_word_embeddings", false);
    model.rope = readRope(json, model.maxPositionEmbeddings);
    model.storedDtype = readDtype(json);
    readTokenIds(json, model);
    return model;
}

std::int64_t ModelConfig::parameterCount() const
{
    const std::int64_t queries = headCount * headDim;
    const std::int64_t keys = kvHeadCount * headDim;
    const std::int64_t attention = hiddenSize * (2 * queries + 2 * keys);
    const std::int64_t mlp = 3 * hiddenSize * intermediateSize;
    const std::int64_t embeddings = vocabularySize * hiddenSize * (tiedEmbeddings ? 1 : 2);
    return layerCount * (attention + mlp + 2 * hiddenSize) + hiddenSize + embeddings;
}

std::int64_t ModelConfig::contextLength() const
{
    const auto times = [](std::int64_t tokens, double factor) {
        const double product = std::floor(static_cast<double>(tokens) * factor);
        return product < 9e15 ? static_cast<std::int64_t>(product) : std::int64_t{9} << 50;
    };
    switch (rope.kind) {
    case RopeKind::Default:
        return maxPositionEmbeddings;
    case RopeKind::Linear:
    case RopeKind::Dynamic:
        return times(maxPositionEmbeddings, rope.factor);
    case RopeKind::Yarn:
    case RopeKind::Llama3:
        return std::max(maxPositionEmbeddings,
                        times(rope.originalMaxPositionEmbeddings, rope.factor));
    }
    return maxPositionEmbeddings;
}

} // namespace longlora
