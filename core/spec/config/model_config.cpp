// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/model_config.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"
#include "core/spec/config/model_config_parse.h"
#include "core/spec/config/model_family.h"
#include "core/spec/config/rope_json.h"
#include "core/spec/config/unsupported_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace longlora {

namespace {

constexpr JsonLimits kConfigLimits{std::size_t{1} << 20, 16};

// Ranges far above any model, low enough that no product of them overflows.
constexpr std::int64_t kMostLayers = 512;
constexpr std::int64_t kMostHidden = 65536;
constexpr std::int64_t kMostIntermediate = std::int64_t{1} << 20;
constexpr std::int64_t kMostVocabulary = 2'000'000;
constexpr std::int64_t kMostPositions = std::int64_t{1} << 32;
constexpr std::int64_t kLargestTokenId = std::int64_t{1} << 31;

const ModelFamily& readFamily(const JsonObject& json)
{
    const std::string supported = "Supported: " + supportedArchitectures() + ".";
    const std::vector<std::string> names = json.texts("architectures");
    const ModelFamily* const family = names.size() == 1 ? findModelFamily(names.front()) : nullptr;
    if (family == nullptr) {
        json.refuse("architectures",
                    "architecture \"" + (names.empty() ? std::string() : names.front()) +
                        "\" is not supported",
                    supported);
    }
    if (json.textOr("model_type", std::string(family->modelType)) != family->modelType) {
        json.refuse("model_type",
                    json.valueText("model_type") + " contradicts the architecture " + names.front(),
                    supported);
    }
    return *family;
}

/// A switch that the family has, or that must be off.
bool readSwitch(const JsonObject& json, std::string_view key, bool isRead, bool absent)
{
    if (!isRead && json.booleanOr(key, false)) {
        json.refuse(key, "models of this architecture with biases there are not supported");
    }
    return isRead ? json.booleanOr(key, absent) : absent;
}

Activation readActivation(const JsonObject& json, const ModelFamily& family)
{
    constexpr std::array<std::pair<std::string_view, Activation>, 6> kNames = {{
        {"silu", Activation::Silu},
        {"swish", Activation::Silu},
        {"gelu", Activation::Gelu},
        {"gelu_new", Activation::GeluTanh},
        {"gelu_fast", Activation::GeluTanh},
        {"gelu_pytorch_tanh", Activation::GeluTanh},
    }};
    const std::string name = json.textOr("hidden_act", std::string(family.activation));
    const auto* const found = std::find_if(kNames.begin(), kNames.end(),
                                           [&](const auto& known) { return known.first == name; });
    // Gated by anything but SiLU there is no published model of these families.
    if (found == kNames.end() || family.gatedMlp != (found->second == Activation::Silu)) {
        json.refuse("hidden_act", "activation \"" + name + "\" is not supported",
                    family.gatedMlp ? "Supported: silu." : "Supported: gelu, gelu_fast, gelu_new.");
    }
    return found->second;
}

/// What the family's code does, and what its config.json chooses of it.
void readVariant(const JsonObject& json, const ModelFamily& family, ModelConfig& model)
{
    model.norm = family.norm;
    model.normEpsilon = json.numberOr(family.normEpsilonKey, family.normEpsilon, 1e-30, 1.0);
    model.queryKeyNorm = family.queryKeyNorm;
    model.fusedQueryKeyValue = family.fusedQueryKeyValue;
    model.attentionOutputBias =
        readSwitch(json, "attention_bias", family.readsAttentionBias, family.attentionBias);
    model.queryKeyValueBias = family.queryKeyValueBias || model.attentionOutputBias;
    model.activation = readActivation(json, family);
    model.gatedMlp = family.gatedMlp;
    model.mlpBias = readSwitch(json, "mlp_bias", family.readsMlpBias, family.mlpBias);
    if (family.readsParallelResidual) {
        model.parallelResidual = json.booleanOr("use_parallel_residual", true);
    } else if (json.booleanOr("use_parallel_residual", false)) {
        json.refuse("use_parallel_residual", "is not known in this architecture");
    }
}

void readHeadDim(const JsonObject& json, const ModelFamily& family, ModelConfig& model)
{
    const bool divides = model.hiddenSize % model.headCount == 0;
    if (!json.has("head_dim") && !family.headDim && !divides) {
        json.refuse("num_attention_heads",
                    fmt::format("{} does not divide hidden_size {}, and there is no head_dim",
                                model.headCount, model.hiddenSize));
    }
    const std::int64_t quotient = model.hiddenSize / model.headCount;
    model.headDim = json.integerOr("head_dim", family.headDim.value_or(quotient), 1, kMostHidden);
    if (family.fusedQueryKeyValue && (model.headDim != quotient || !divides)) {
        json.refuse("head_dim", fmt::format("{} is not hidden_size {} / {} heads, as this "
                                            "architecture computes it",
                                            model.headDim, model.hiddenSize, model.headCount));
    }
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

void readHeads(const JsonObject& json, const ModelFamily& family, ModelConfig& model)
{
    constexpr std::string_view kKvHeads = "num_key_value_heads";
    model.headCount = json.integer("num_attention_heads", 1, kMostHidden);
    model.kvHeadCount = family.needsKvHeads
                            ? json.integer(kKvHeads, 1, model.headCount)
                            : json.integerOr(kKvHeads, model.headCount, 1, model.headCount);
    if (model.headCount % model.kvHeadCount != 0) {
        json.refuse(kKvHeads, fmt::format("{} does not divide the {} attention heads",
                                          model.kvHeadCount, model.headCount));
    }
    if (family.fusedQueryKeyValue && model.kvHeadCount != model.headCount) {
        json.refuse(kKvHeads, fmt::format("{}: this architecture has one for each of its {} heads",
                                          model.kvHeadCount, model.headCount));
    }
    readHeadDim(json, family, model);
}

void readRotaryFractionOf(const JsonObject& json, const ModelFamily& family, ModelConfig& model)
{
    model.rotaryFraction = readRotaryFraction(json, family.rotaryFraction);
    const std::string_view key =
        json.has("rotary_pct") ? "rotary_pct" : std::string_view("partial_rotary_factor");
    if (model.rotaryFraction != 1.0 && family.rotaryFraction == 1.0) {
        json.refuse(key, fmt::format("{}: rotating a part of each head is not known in this "
                                     "architecture",
                                     model.rotaryFraction));
    }
    const std::int64_t rotated = model.rotaryDim();
    if (rotated < 2 || rotated % 2 != 0) {
        json.refuse(key, fmt::format("{} of a head dimension of {} is {}: it must be even and at "
                                     "least 2",
                                     model.rotaryFraction, model.headDim, rotated));
    }
}

/// Under a linear factor max_position_embeddings is the length before scaling (LongLoRA), or the
/// product where the length before scaling stands beside the factor. Angles are the same.
void takeOriginalLength(const JsonObject& json, ModelConfig& model)
{
    constexpr std::string_view kKey = "original_max_position_embeddings";
    for (const std::string_view rope : {"rope_scaling", "rope_parameters"}) {
        if (model.rope.kind != RopeKind::Linear || !json.isObject(rope) ||
            !json.object(rope).has(kKey)) {
            continue;
        }
        const std::int64_t original = json.object(rope).integer(kKey, 1, kMostPositions);
        if (std::floor(static_cast<double>(original) * model.rope.factor) ==
            static_cast<double>(model.maxPositionEmbeddings)) {
            model.maxPositionEmbeddings = original;
            return;
        }
    }
}

/// A window that starts or ends at some layer would need two kinds of attention in one model.
std::int64_t readSwitchedWindow(const JsonObject& json, const ModelConfig& model)
{
    constexpr std::int64_t kUsualWindow = 4096;
    constexpr std::int64_t kUsualFirstLayer = 28;
    if (!json.booleanOr("use_sliding_window", false)) {
        return 0;
    }
    const std::int64_t window =
        json.isSaid("sliding_window") && !json.has("sliding_window")
            ? 0
            : json.integerOr("sliding_window", kUsualWindow, 1, kMostPositions);
    const std::int64_t first =
        json.integerOr("max_window_layers", kUsualFirstLayer, 0, kMostHidden);
    if (window > 0 && first > 0 && first < model.layerCount) {
        json.refuse("max_window_layers",
                    fmt::format("{}: sliding attention in a part of the {} layers is not supported",
                                first, model.layerCount));
    }
    return first == 0 ? window : 0;
}

std::int64_t readSlidingWindow(const JsonObject& json, const ModelFamily& family,
                               const ModelConfig& model)
{
    constexpr std::int64_t kUsualWindow = 4096;
    constexpr std::string_view kKey = "sliding_window";
    switch (family.window) {
    case WindowRule::None:
        if (!json.isOff(kKey) && json.booleanOr("use_sliding_window", true)) {
            json.refuse(kKey,
                        "is " + json.valueText(kKey) + ", which this architecture does not know");
        }
        return 0;
    case WindowRule::Always:
        if (!json.booleanOr("use_sliding_window", true)) {
            json.refuse("use_sliding_window", "is not known in this architecture",
                        "Set sliding_window to null for full attention.");
        }
        return json.isSaid(kKey) && !json.has(kKey)
                   ? 0
                   : json.integerOr(kKey, kUsualWindow, 1, kMostPositions);
    case WindowRule::Switched:
        break;
    }
    return readSwitchedWindow(json, model);
}

/// transformers 5 names the attention of each layer; it must be the one we found.
void checkLayerTypes(const JsonObject& json, const ModelConfig& model)
{
    if (!json.has("layer_types")) {
        return;
    }
    const char* const expected = model.slidingWindow > 0 ? "sliding_attention" : "full_attention";
    const std::vector<std::string> types = json.texts("layer_types");
    for (const std::string& type : types) {
        if (type != expected) {
            json.refuse("layer_types",
                        "\"" + type + "\" where " + expected + " is expected in every layer");
        }
    }
    if (std::ssize(types) != model.layerCount) {
        json.refuse("layer_types", fmt::format("names {} layers, num_hidden_layers is {}",
                                               types.size(), model.layerCount));
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

ModelConfig modelOf(const JsonObject& json)
{
    const ModelFamily& family = readFamily(json);
    refuseUnsupportedFields(json);
    ModelConfig model;
    model.architecture = family.architecture;
    model.vocabularySize = json.integer("vocab_size", 1, kMostVocabulary);
    model.hiddenSize = json.integer("hidden_size", 1, kMostHidden);
    model.intermediateSize = json.integer("intermediate_size", 1, kMostIntermediate);
    model.layerCount = json.integer("num_hidden_layers", 1, kMostLayers);
    readHeads(json, family, model);
    readVariant(json, family, model);
    model.maxPositionEmbeddings = json.integer("max_position_embeddings", 1, kMostPositions);
    model.tiedEmbeddings = json.booleanOr("tie_word_embeddings", false);
    model.rope = readRope(json, model.maxPositionEmbeddings);
    takeOriginalLength(json, model);
    readRotaryFractionOf(json, family, model);
    model.slidingWindow = readSlidingWindow(json, family, model);
    checkLayerTypes(json, model);
    model.storedDtype = readDtype(json);
    readTokenIds(json, model);
    return model;
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
    return parseModelConfig(readWholeFile(file, kConfigLimits.bytes), file.string());
}

ModelConfig parseModelConfig(std::string_view text, const std::string& file)
{
    return modelOf(JsonObject::parse(text, file, kConfigLimits));
}

std::int64_t ModelConfig::rotaryDim() const
{
    return static_cast<std::int64_t>(static_cast<double>(headDim) * rotaryFraction);
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
