// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace longlora {

enum class RopeKind { Default, Linear, Dynamic, Yarn, Llama3 };

/// The rotary embedding of a model in one spelling, whatever file it came from. It travels in the
/// config, the adapter and the merged model; where two meet, they must be equal.
/// Source: Su et al. 2021 (arXiv:2104.09864); linear: Chen et al. 2023 (arXiv:2306.15595);
/// YaRN: Peng et al. 2023 (arXiv:2309.00071); llama3: Llama 3.1's published config.
struct RopeScaling {
    RopeKind kind = RopeKind::Default;
    double theta = 10000.0; ///< base of the frequencies
    double factor = 1.0;    ///< >= 1; all kinds but Default
    /// Llama3, Yarn: tokens of the model before scaling; Dynamic: max_position_embeddings.
    std::int64_t originalMaxPositionEmbeddings = 0;
    double lowFrequencyFactor = 1.0;  ///< Llama3
    double highFrequencyFactor = 4.0; ///< Llama3
    double betaFast = 32.0;           ///< Yarn
    double betaSlow = 1.0;            ///< Yarn
    double attentionFactor = 0.0;     ///< Yarn; 0: 0.1 ln(factor) + 1
    bool wholeCorrectionRange = true; ///< Yarn: Hugging Face's "truncate"

    bool operator==(const RopeScaling&) const = default;
};

/// What the rotary embedding multiplies positions by, and what cos and sin are multiplied by.
struct RopeFrequencies {
    std::vector<double> inverse; ///< [headDim / 2], radians per token
    double attentionFactor = 1.0;
};

/// Shapes: headDim / 2 frequencies. `sequenceLength` matters for Dynamic only.
RopeFrequencies ropeFrequencies(const RopeScaling& rope, std::int64_t headDim,
                                std::int64_t sequenceLength);

/// "default", "linear", "dynamic", "yarn", "llama3": Hugging Face's rope_type.
std::string ropeKindName(RopeKind kind);
/// For people: "linear x 4", "llama3 x 8 over 8,192", "default, theta 10000".
std::string describeRope(const RopeScaling& rope);

} // namespace longlora
