// SPDX-License-Identifier: GPL-3.0-or-later
// Source: llama.cpp, convert_hf_to_gguf.py, and the tensor names of gguf-py.
#include "core/engine/checkpoint/gguf/gguf_layout.h"

#include <algorithm>

namespace longlora {

namespace {

constexpr std::array<GgufArchitecture, 4> kArchitectures = {{
    {"llama", "LlamaForCausalLM", AttentionRows::PairsTogether},
    {"qwen2", "Qwen2ForCausalLM", AttentionRows::AsHuggingFace},
    {"qwen3", "Qwen3ForCausalLM", AttentionRows::AsHuggingFace},
    {"gptneox", "GPTNeoXForCausalLM", AttentionRows::QueriesKeysValues},
}};

/// Order of ModelPart.
constexpr std::array<std::string_view, kModelPartCount> kNames = {
    "token_embd", "attn_norm",   "attn_q",      "attn_k",      "attn_v",
    "attn_qkv",   "attn_q_norm", "attn_k_norm", "attn_output", "ffn_gate",
    "ffn_up",     "ffn_down",    "ffn_norm",    "output_norm", "output"};

std::vector<std::int64_t> pairedRows(std::int64_t heads, std::int64_t headDim)
{
    std::vector<std::int64_t> rows;
    rows.reserve(static_cast<std::size_t>(heads * headDim));
    for (std::int64_t head = 0; head < heads; ++head) {
        for (std::int64_t i = 0; i < headDim / 2; ++i) {
            rows.push_back(head * headDim + i);
            rows.push_back(head * headDim + headDim / 2 + i);
        }
    }
    return rows;
}

std::vector<std::int64_t> fusedRows(std::int64_t heads, std::int64_t headDim)
{
    constexpr std::int64_t kParts = 3;
    std::vector<std::int64_t> rows;
    rows.reserve(static_cast<std::size_t>(kParts * heads * headDim));
    for (std::int64_t part = 0; part < kParts; ++part) {
        for (std::int64_t head = 0; head < heads; ++head) {
            for (std::int64_t i = 0; i < headDim; ++i) {
                rows.push_back((head * kParts + part) * headDim + i);
            }
        }
    }
    return rows;
}

} // namespace

const GgufArchitecture* findGgufArchitecture(std::string_view name)
{
    const auto* const found = std::find_if(kArchitectures.begin(), kArchitectures.end(),
                                           [&](const auto& known) { return known.name == name; });
    return found == kArchitectures.end() ? nullptr : found;
}

const GgufArchitecture* ggufArchitectureOf(const ModelConfig& config)
{
    // llama.cpp has no name of its own for Mistral.
    const bool isMistral = config.architecture == "MistralForCausalLM";
    const std::string_view architecture =
        isMistral ? kArchitectures.front().architecture : std::string_view(config.architecture);
    const auto* const found =
        std::find_if(kArchitectures.begin(), kArchitectures.end(),
                     [&](const auto& known) { return known.architecture == architecture; });
    return found == kArchitectures.end() ? nullptr : found;
}

std::string supportedGgufArchitectures()
{
    std::string names;
    for (const GgufArchitecture& known : kArchitectures) {
        names += (names.empty() ? "" : ", ") + std::string(known.name);
    }
    return names;
}

std::string ggufTensorName(const WeightShape& weight)
{
    const std::string layer =
        isEnd(weight.part) ? std::string() : "blk." + std::to_string(weight.layer) + ".";
    return layer + std::string(kNames[static_cast<std::size_t>(weight.part)]) +
           (weight.isBias ? ".bias" : ".weight");
}

std::vector<std::int64_t> huggingFaceRows(const GgufArchitecture& architecture,
                                          const ModelConfig& config, const WeightShape& weight)
{
    switch (architecture.rows) {
    case AttentionRows::PairsTogether:
        if (weight.part == ModelPart::Query) {
            return pairedRows(config.headCount, config.headDim);
        }
        if (weight.part == ModelPart::Key) {
            return pairedRows(config.kvHeadCount, config.headDim);
        }
        break;
    case AttentionRows::QueriesKeysValues:
        if (weight.part == ModelPart::QueryKeyValue) {
            return fusedRows(config.headCount, config.headDim);
        }
        break;
    case AttentionRows::AsHuggingFace:
        break;
    }
    return {};
}

} // namespace longlora
