// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/gguf_config.h"

#include "core/engine/checkpoint/gguf/gguf_rope.h"
#include "core/engine/checkpoint/gguf/printable.h"
#include "core/spec/base/error.h"
#include "core/spec/config/model_family.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>

namespace longlora {

namespace {

// The ranges of config.json: far above any model, low enough that no product overflows.
constexpr std::int64_t kMostLayers = 512;
constexpr std::int64_t kMostHidden = 65536;
constexpr std::int64_t kMostIntermediate = std::int64_t{1} << 20;
constexpr std::int64_t kMostVocabulary = 2'000'000;
constexpr std::int64_t kMostPositions = std::int64_t{1} << 32;
constexpr std::int64_t kLargestTokenId = std::int64_t{1} << 31;

/// Below "ARCHITECTURE.": what is read here or in gguf_rope, and remarks that change nothing.
constexpr std::array<std::string_view, 30> kKnownKeys = {
    "vocab_size",
    "context_length",
    "embedding_length",
    "block_count",
    "feed_forward_length",
    "use_parallel_residual",
    "tensor_data_layout",
    "expert_count",
    "expert_used_count",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "attention.causal",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.finetuned",
    "rope.scaling.attn_factor",
    "rope.scaling.yarn_attn_factor",
    "rope.scaling.yarn_ext_factor",
    "rope.scaling.yarn_log_multiplier",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
};

class ConfigReader {
public:
    ConfigReader(const GgufHeader& header, const GgufArchitecture& architecture)
        : m_header(header)
        , m_metadata(header.metadata)
        , m_prefix(std::string(architecture.name) + ".")
        , m_family(*findModelFamily(architecture.architecture))
    {}

    ModelConfig read()
    {
        refuseUnknownKeys();
        m_model.architecture = m_family.architecture;
        m_model.hiddenSize = integer("embedding_length", kMostHidden);
        m_model.layerCount = integer("block_count", kMostLayers);
        m_model.intermediateSize = integer("feed_forward_length", kMostIntermediate);
        m_model.maxPositionEmbeddings = integer("context_length", kMostPositions);
        readVocabulary();
        readHeads();
        readVariant();
        m_model.tiedEmbeddings = !has("output.weight");
        m_model.rope = readGgufRope(m_metadata, m_prefix.substr(0, m_prefix.size() - 1),
                                    m_model.maxPositionEmbeddings);
        readOriginalLength();
        readRotaryDimensions();
        readWindow();
        readTokenIds();
        return std::move(m_model);
    }

private:
    std::string key(std::string_view name) const { return m_prefix + std::string(name); }
    std::int64_t integer(std::string_view name, std::int64_t maximum) const
    {
        return m_metadata.integer(key(name), 1, maximum);
    }
    bool has(const std::string& tensor) const { return m_header.find(tensor) != nullptr; }

    void refuseUnknownKeys() const
    {
        for (const auto& [name, value] : m_metadata.entries()) {
            if (!name.starts_with(m_prefix)) {
                continue;
            }
            const std::string_view rest = std::string_view(name).substr(m_prefix.size());
            if (std::find(kKnownKeys.begin(), kKnownKeys.end(), rest) == kKnownKeys.end()) {
                m_metadata.refuse(name, "is not known here; it may change the mathematics");
            }
        }
        if (m_metadata.integerOr(key("expert_count"), 0, 0, kMostHidden) > 0) {
            m_metadata.refuse(key("expert_count"), "mixtures of experts are not supported");
        }
        if (!m_metadata.booleanOr(key("attention.causal"), true)) {
            m_metadata.refuse(key("attention.causal"),
                              "attention to later tokens is not supported");
        }
    }

    void readVocabulary()
    {
        const GgufTensor* const embedding = m_header.find("token_embd.weight");
        if (embedding == nullptr || embedding->sizes.size() != 2 ||
            embedding->sizes.front() > kMostVocabulary) {
            throw FormatError(m_metadata.file(), "tensor token_embd.weight",
                              embedding == nullptr ? "missing: the file holds no whole model"
                                                   : "is no table of at most 2,000,000 rows");
        }
        m_model.vocabularySize = embedding->sizes.front();
        const std::string name = key("vocab_size");
        if (m_metadata.has(name) &&
            m_metadata.integer(name, 1, kMostVocabulary) != m_model.vocabularySize) {
            m_metadata.refuse(name, fmt::format("contradicts the {} rows of token_embd.weight",
                                                m_model.vocabularySize));
        }
    }

    void readHeads()
    {
        m_model.headCount = integer("attention.head_count", kMostHidden);
        m_model.kvHeadCount = m_metadata.integerOr(key("attention.head_count_kv"),
                                                   m_model.headCount, 1, m_model.headCount);
        if (m_model.headCount % m_model.kvHeadCount != 0) {
            m_metadata.refuse(key("attention.head_count_kv"),
                              fmt::format("{} does not divide the {} attention heads",
                                          m_model.kvHeadCount, m_model.headCount));
        }
        const std::string keyLength = key("attention.key_length");
        if (!m_metadata.has(keyLength) && m_model.hiddenSize % m_model.headCount != 0) {
            m_metadata.refuse(keyLength, "missing, and the heads do not divide embedding_length");
        }
        m_model.headDim =
            m_metadata.integerOr(keyLength, m_model.hiddenSize / m_model.headCount, 1, kMostHidden);
        const std::string valueLength = key("attention.value_length");
        if (m_metadata.integerOr(valueLength, m_model.headDim, 1, kMostHidden) != m_model.headDim) {
            m_metadata.refuse(valueLength, "differs from key_length, which is not supported");
        }
        if (m_model.headDim < 4 || m_model.headDim % 2 != 0 ||
            m_model.headCount * m_model.headDim > kMostIntermediate) {
            m_metadata.refuse(keyLength,
                              fmt::format("{} heads of {} cannot be computed: a head "
                                          "must be even and at least 4, all of them at "
                                          "most {}",
                                          m_model.headCount, m_model.headDim, kMostIntermediate));
        }
    }

    /// What the family does, and what the tensors that are there say of it.
    void readVariant()
    {
        const bool isLayerNorm = m_family.norm == NormKind::Layer;
        m_model.norm = m_family.norm;
        m_model.normEpsilon = m_metadata.number(
            key(isLayerNorm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon"),
            1e-30, 1.0);
        m_model.queryKeyNorm = m_family.queryKeyNorm;
        m_model.fusedQueryKeyValue = m_family.fusedQueryKeyValue;
        m_model.activation = m_family.gatedMlp ? Activation::Silu : Activation::Gelu;
        m_model.gatedMlp = m_family.gatedMlp;
        m_model.attentionOutputBias =
            m_family.readsAttentionBias ? has("blk.0.attn_output.bias") : m_family.attentionBias;
        m_model.queryKeyValueBias = m_family.queryKeyValueBias || m_model.attentionOutputBias;
        m_model.mlpBias = m_family.readsMlpBias ? has("blk.0.ffn_down.bias") : m_family.mlpBias;
        m_model.parallelResidual = m_family.readsParallelResidual &&
                                   m_metadata.booleanOr(key("use_parallel_residual"), true);
    }

    /// Under a linear factor the context may be the product; then the length before scaling, which
    /// is what a config means by it, stands beside the factor.
    void readOriginalLength()
    {
        const std::string name = key("rope.scaling.original_context_length");
        if (m_model.rope.kind == RopeKind::Linear && m_metadata.has(name)) {
            const std::int64_t original = m_metadata.integer(name, 1, kMostPositions);
            if (std::floor(static_cast<double>(original) * m_model.rope.factor) ==
                static_cast<double>(m_model.maxPositionEmbeddings)) {
                m_model.maxPositionEmbeddings = original;
            }
        }
    }

    void readRotaryDimensions()
    {
        const std::string name = key("rope.dimension_count");
        const std::int64_t rotated =
            m_metadata.integerOr(name, m_model.headDim, 2, m_model.headDim);
        if (rotated != m_model.headDim && m_family.rotaryFraction == 1.0) {
            m_metadata.refuse(name, fmt::format("{} of a head dimension of {}: rotating a part of "
                                                "each head is not known in this architecture",
                                                rotated, m_model.headDim));
        }
        m_model.rotaryFraction =
            static_cast<double>(rotated) / static_cast<double>(m_model.headDim);
        if (m_model.rotaryDim() != rotated || rotated % 2 != 0) {
            m_metadata.refuse(name, fmt::format("{} dimensions cannot be rotated", rotated));
        }
    }

    void readWindow()
    {
        const std::string name = key("attention.sliding_window");
        m_model.slidingWindow = m_metadata.integerOr(name, 0, 0, kMostPositions);
        if (m_model.slidingWindow == 0) {
            return;
        }
        if (m_family.window == WindowRule::None) {
            if (m_model.architecture != "LlamaForCausalLM" || m_model.attentionOutputBias ||
                m_model.mlpBias) {
                m_metadata.refuse(name, "a sliding window is not known in this architecture");
            }
            m_model.architecture = "MistralForCausalLM"; // Llama with a window
        }
    }

    void readTokenIds()
    {
        const auto id = [&](const char* name) {
            return m_metadata.integerOr(std::string("tokenizer.ggml.") + name, -1, 0,
                                        kLargestTokenId);
        };
        if (const std::int64_t bos = id("bos_token_id"); bos >= 0) {
            m_model.bosTokenId = bos;
        }
        for (const char* name : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
            auto& ids = m_model.eosTokenIds;
            const std::int64_t eos = id(name);
            if (eos >= 0 && std::find(ids.begin(), ids.end(), eos) == ids.end()) {
                ids.push_back(eos);
            }
        }
    }

    const GgufHeader& m_header;
    const GgufMetadata& m_metadata;
    std::string m_prefix;
    const ModelFamily& m_family;
    ModelConfig m_model;
};

/// What files hold beside the weights: the divisors, and rotary tables that everybody computes.
bool isNoWeight(const std::string& name)
{
    return name == kRopeFactorsName || name.ends_with(".attn_rot_embd.weight") ||
           name.ends_with(".attn_rot_embd");
}

void checkWeight(const GgufHeader& header, const GgufWeight& weight)
{
    const GgufTensor& tensor = *weight.tensor;
    const std::string where =
        fmt::format("tensor {}, offset {}", printable(tensor.name), tensor.offset);
    if (tensor.sizes != weight.shape.sizes) {
        throw FormatError(header.metadata.file(), where,
                          fmt::format("is [{}] instead of [{}]", fmt::join(tensor.sizes, ", "),
                                      fmt::join(weight.shape.sizes, ", ")));
    }
    if (!ggmlTypeInfo(tensor.type).isRead) {
        throw FormatError(
            header.metadata.file(), where,
            fmt::format("is stored as {}, which is not supported", ggmlTypeInfo(tensor.type).name),
            "Supported: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, "
            "Q6_K.");
    }
}

} // namespace

ModelConfig readGgufConfig(const GgufHeader& header)
{
    const GgufMetadata& metadata = header.metadata;
    if (metadata.integerOr("split.count", 1, 0, 1 << 16) > 1) {
        metadata.refuse("split.count", "the model is split over several files",
                        "Join them with llama.cpp's gguf-split --merge.");
    }
    const std::string name = metadata.text("general.architecture");
    const GgufArchitecture* const architecture = findGgufArchitecture(name);
    if (architecture == nullptr) {
        metadata.refuse("general.architecture",
                        "architecture \"" + printable(name) + "\" is not supported",
                        "Supported: " + supportedGgufArchitectures() + ".");
    }
    if (const std::string type = metadata.textOr("general.type", "model"); type != "model") {
        metadata.refuse("general.type", "\"" + printable(type) + "\" is not a model");
    }
    return ConfigReader(header, *architecture).read();
}

std::vector<GgufWeight> ggufWeights(const GgufHeader& header, const ModelConfig& config)
{
    std::unordered_map<std::string, const GgufTensor*> tensors;
    for (const GgufTensor& tensor : header.tensors) {
        tensors.emplace(tensor.name, &tensor);
    }
    const GgufArchitecture& architecture = *ggufArchitectureOf(config);
    std::vector<GgufWeight> weights;
    for (WeightShape& shape : weightShapes(config)) {
        const std::string name = ggufTensorName(shape);
        const auto found = tensors.find(name);
        if (found == tensors.end()) {
            throw FormatError(header.metadata.file(), "tensor " + name, "missing");
        }
        std::vector<std::int64_t> rows = huggingFaceRows(architecture, config, shape);
        weights.push_back({std::move(shape), found->second, std::move(rows)});
        checkWeight(header, weights.back());
        tensors.erase(found);
    }
    for (const GgufTensor& tensor : header.tensors) {
        if (tensors.contains(tensor.name) && !isNoWeight(tensor.name)) {
            throw FormatError(
                header.metadata.file(),
                fmt::format("tensor {}, offset {}", printable(tensor.name), tensor.offset),
                "has no place in a model of this architecture");
        }
    }
    return weights;
}

GgufMetadata ggufModelMetadata(const ModelConfig& config, const std::string& name,
                               std::int64_t fileType, std::int64_t contextLength)
{
    const GgufArchitecture* const architecture = ggufArchitectureOf(config);
    if (architecture == nullptr) {
        throw DataError("llama.cpp has no architecture for " + config.architecture);
    }
    if (config.slidingWindow > 0) {
        throw DataError(fmt::format("The model attends to a window of {} tokens; llama.cpp would "
                                    "attend to all of them and give other answers",
                                    config.slidingWindow),
                        "Set sliding_window to null in config.json if full attention is meant.");
    }
    if (config.activation == Activation::GeluTanh) {
        throw DataError("The model's activation is GELU by tanh; a GGUF file of this "
                        "architecture has no place to say so");
    }
    const std::string prefix = std::string(architecture->name) + ".";
    GgufMetadata metadata;
    const auto add = [&](const char* key, std::int64_t value) {
        metadata.add(prefix + key, GgufValue::uint32(value));
    };
    metadata.add("general.architecture", GgufValue::text(std::string(architecture->name)));
    metadata.add("general.type", GgufValue::text("model"));
    metadata.add("general.name", GgufValue::text(name));
    add("vocab_size", config.vocabularySize);
    add("context_length", contextLength);
    add("embedding_length", config.hiddenSize);
    add("block_count", config.layerCount);
    add("feed_forward_length", config.intermediateSize);
    add("rope.dimension_count", config.rotaryDim());
    add("attention.head_count", config.headCount);
    add("attention.head_count_kv", config.kvHeadCount);
    if (config.headDim * config.headCount != config.hiddenSize) {
        add("attention.key_length", config.headDim);
        add("attention.value_length", config.headDim);
    }
    if (familyOf(config).readsParallelResidual) {
        metadata.add(prefix + "use_parallel_residual", GgufValue::boolean(config.parallelResidual));
    }
    metadata.add(prefix + (config.norm == NormKind::Layer ? "attention.layer_norm_epsilon"
                                                          : "attention.layer_norm_rms_epsilon"),
                 GgufValue::float32(config.normEpsilon));
    addGgufRope(metadata, std::string(architecture->name), config.rope);
    if (contextLength != config.maxPositionEmbeddings) {
        add("rope.scaling.original_context_length", config.maxPositionEmbeddings);
    }
    metadata.add("general.file_type", GgufValue::uint32(fileType));
    metadata.add("general.quantization_version", GgufValue::uint32(2));
    return metadata;
}

} // namespace longlora
