// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/config/model_weights.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace longlora {

/// In which order a GGUF file has the rows of attention's maps, compared with Hugging Face.
enum class AttentionRows {
    AsHuggingFace,
    /// Of each head of q and k: 0, d/2, 1, d/2 + 1, ...: rotary pairs are neighbours.
    PairsTogether,
    /// Of the fused map: q of all heads, k of all heads, v of all heads.
    QueriesKeysValues,
};

/// A family of models as llama.cpp names it.
struct GgufArchitecture {
    std::string_view name;         ///< "llama"
    std::string_view architecture; ///< Hugging Face's, of what is imported: "LlamaForCausalLM"
    AttentionRows rows = AttentionRows::AsHuggingFace;
};

/// Nullptr: not supported.
const GgufArchitecture* findGgufArchitecture(std::string_view name);
/// That of a model; nullptr: llama.cpp has none for it.
const GgufArchitecture* ggufArchitectureOf(const ModelConfig& config);
/// "llama, qwen2, qwen3, gptneox".
std::string supportedGgufArchitectures();

/// "blk.0.attn_q.weight" for a weight of a model.
std::string ggufTensorName(const WeightShape& weight);
/// The divisors of the rotary frequencies, where a file has them.
inline constexpr const char* kRopeFactorsName = "rope_freqs.weight";

/// For each row of the GGUF tensor, which row of Hugging Face's it is; empty: they are the same.
std::vector<std::int64_t> huggingFaceRows(const GgufArchitecture& architecture,
                                          const ModelConfig& config, const WeightShape& weight);

} // namespace longlora
