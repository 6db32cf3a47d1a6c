// SPDX-License-Identifier: GPL-3.0-or-later
// llama.cpp scales positions (linear), interpolates by frequency (YaRN, with cos and sin times
// attn_factor (0.1 ln factor + 1)), or divides each frequency by a number of its own
// (rope_freqs.weight), which is how a llama3 scaling is written.
#include "core/engine/checkpoint/gguf/gguf_rope.h"

#include "core/engine/checkpoint/gguf/gguf_layout.h"
#include "core/spec/base/error.h"
#include "core/spec/config/rope_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>

namespace longlora {

namespace {

constexpr double kLargest = std::numeric_limits<float>::max();
constexpr std::int64_t kMostTokens = std::int64_t{1} << 40;

/// What YaRN multiplies cos and sin by where nothing is said.
double usualAttentionFactor(double factor)
{
    return 0.1 * std::log(factor) + 1.0;
}

/// A number that must have the one value that is supported.
void requireValue(const GgufMetadata& metadata, const std::string& key, double expected)
{
    if (const double value = metadata.numberOr(key, expected, -kLargest, kLargest);
        value != expected) {
        metadata.refuse(key, fmt::format("{} is not supported; only {} is", value, expected));
    }
}

void readYarn(const GgufMetadata& metadata, const std::string& scaling, std::int64_t contextLength,
              RopeScaling& rope)
{
    rope.kind = RopeKind::Yarn;
    rope.factor = metadata.number(scaling + "factor", 1.0, kLargest);
    rope.originalMaxPositionEmbeddings =
        metadata.integerOr(scaling + "original_context_length", contextLength, 1, kMostTokens);
    requireValue(metadata, scaling + "yarn_ext_factor", 1.0);
    requireValue(metadata, scaling + "yarn_log_multiplier", 0.0);
    rope.betaFast = metadata.numberOr(scaling + "yarn_beta_fast", rope.betaFast, 1e-6, 1e9);
    rope.betaSlow = metadata.numberOr(scaling + "yarn_beta_slow", rope.betaSlow, 1e-6, 1e9);
    const double attention = metadata.numberOr(scaling + "yarn_attn_factor", 1.0, 1e-6, 1e6) *
                             metadata.numberOr(scaling + "attn_factor", 1.0, 1e-6, 1e6);
    if (attention != 1.0) {
        rope.attentionFactor = attention * usualAttentionFactor(rope.factor);
    }
}

bool reproduces(const RopeScaling& rope, std::span<const float> factors)
{
    const std::vector<float> made =
        ropeFactors(rope, 2 * static_cast<std::int64_t>(factors.size()));
    return std::equal(made.begin(), made.end(), factors.begin(), [](float left, float right) {
        return std::abs(left - right) <= 2e-6F * std::abs(right);
    });
}

/// One frequency that a llama3 scaling interpolates: its divisor lies between 1 and the factor.
struct Interpolated {
    double turns = 0.0; ///< in one token
    double part = 0.0;  ///< of the frequency that is kept, s in 1/divisor = (1 - s)/factor + s
};

std::vector<Interpolated> interpolatedOf(const RopeScaling& plain, std::span<const float> factors,
                                         double factor)
{
    const RopeFrequencies frequencies =
        ropeFrequencies(plain, 2 * static_cast<std::int64_t>(factors.size()), 1);
    std::vector<Interpolated> found;
    for (std::size_t i = 0; i < factors.size(); ++i) {
        const double part = (1.0 / double{factors[i]} - 1.0 / factor) / (1.0 - 1.0 / factor);
        if (part > 1e-3 && part < 1.0 - 1e-3) {
            found.push_back({frequencies.inverse[i] / (2.0 * std::numbers::pi), part});
        }
    }
    return found;
}

/// s = (length turns - low)/(high - low) depends only on ratios, so low may be taken as 1. Two
/// frequencies then give high; otherwise it is what the published configs say, or near it.
std::vector<double> upperLimits(const std::vector<Interpolated>& interpolated)
{
    std::vector<double> limits = {4.0, 2.0, 8.0, 16.0, 32.0};
    if (interpolated.size() > 1) {
        const auto [turns, part] = interpolated[0];
        const auto [otherTurns, otherPart] = interpolated[1];
        const double high = (turns * (1.0 - otherPart) - otherTurns * (1.0 - part)) /
                            (part * otherTurns - turns * otherPart);
        if (high > 1.001 && high < 1e6) {
            limits.push_back(std::round(high * 1000.0) / 1000.0);
        }
    }
    return limits;
}

std::optional<RopeScaling> llama3Of(const RopeScaling& plain, std::span<const float> factors,
                                    std::int64_t contextLength)
{
    constexpr std::int64_t kLongest = std::int64_t{1} << 24;
    RopeScaling rope = plain;
    rope.kind = RopeKind::Llama3;
    rope.factor = *std::max_element(factors.begin(), factors.end());
    rope.lowFrequencyFactor = 1.0;
    const std::vector<Interpolated> interpolated = interpolatedOf(plain, factors, rope.factor);
    for (const double high : upperLimits(interpolated)) {
        rope.highFrequencyFactor = high;
        std::vector<std::int64_t> lengths = {8192, contextLength};
        for (const auto& [turns, part] : interpolated) {
            lengths.push_back(std::llround(std::min((part * (high - 1.0) + 1.0) / turns, 1e12)));
        }
        for (std::int64_t length = 16; length <= kLongest; length *= 2) {
            lengths.push_back(length);
        }
        for (const std::int64_t length : lengths) {
            rope.originalMaxPositionEmbeddings = std::max<std::int64_t>(length, 1);
            if (reproduces(rope, factors)) {
                return rope;
            }
        }
    }
    return std::nullopt;
}

} // namespace

RopeScaling readGgufRope(const GgufMetadata& metadata, const std::string& architecture,
                         std::int64_t contextLength)
{
    const std::string prefix = architecture + ".rope.";
    const std::string scaling = prefix + "scaling.";
    RopeScaling rope;
    rope.theta = metadata.numberOr(prefix + "freq_base", rope.theta, 1e-6, kLargest);
    // The linear factor of files before 2024 stands in a key of its own.
    const double scale = metadata.numberOr(prefix + "scale_linear", 1.0, 1e-6, kLargest);
    const std::string kind = metadata.textOr(scaling + "type", scale != 1.0 ? "linear" : "none");
    if (kind == "linear") {
        rope.factor = metadata.numberOr(scaling + "factor", scale, 1.0, kLargest);
        rope.kind = rope.factor == 1.0 ? RopeKind::Default : RopeKind::Linear;
    } else if (kind == "yarn") {
        readYarn(metadata, scaling, contextLength, rope);
    } else if (kind != "none") {
        metadata.refuse(scaling + "type", "rotary scaling \"" + kind + "\" is not supported",
                        "Supported: none, linear, yarn, and llama3 by rope_freqs.weight.");
    }
    const bool isSaidTwice = scale != 1.0 && (kind != "linear" || rope.factor != scale);
    if (isSaidTwice) {
        metadata.refuse(prefix + "scale_linear", "contradicts the keys of rope.scaling");
    }
    if (kind == "none" && metadata.numberOr(scaling + "factor", 1.0, 0.0, kLargest) > 1.0) {
        metadata.refuse(scaling + "factor", "a factor without a kind of scaling");
    }
    return rope;
}

RopeScaling withRopeFactors(const RopeScaling& rope, std::span<const float> factors,
                            std::int64_t contextLength, const std::string& file)
{
    const std::string where = std::string("tensor ") + kRopeFactorsName;
    const bool isSound = std::all_of(factors.begin(), factors.end(), [](float factor) {
        return std::isfinite(factor) && factor >= 1.0F;
    });
    if (!isSound) {
        throw FormatError(file, where, "a divisor of a frequency is not a number of at least 1");
    }
    const auto [least, greatest] = std::minmax_element(factors.begin(), factors.end());
    if (*greatest == 1.0F) {
        return rope;
    }
    if (rope.kind != RopeKind::Default) {
        throw FormatError(file, where,
                          "divisors of the frequencies on top of " + describeRope(rope) +
                              " are not supported");
    }
    if (*least == *greatest) {
        RopeScaling linear = rope;
        linear.kind = RopeKind::Linear;
        linear.factor = *greatest;
        return linear;
    }
    if (const auto llama3 = llama3Of(rope, factors, contextLength)) {
        return *llama3;
    }
    throw FormatError(
        file, where,
        "the divisors of the frequencies are not those of a llama3 scaling; a Hugging "
        "Face config.json has no place for such ones",
        "Take the model's Hugging Face folder.");
}

bool turnsAlike(const RopeScaling& left, const RopeScaling& right, std::int64_t rotaryDim)
{
    constexpr double kTolerance = 1e-5;
    const auto isNear = [](double a, double b) {
        return std::abs(a - b) <= kTolerance * std::abs(b);
    };
    const RopeFrequencies a = ropeFrequencies(left, rotaryDim, 1);
    const RopeFrequencies b = ropeFrequencies(right, rotaryDim, 1);
    return isNear(a.attentionFactor, b.attentionFactor) &&
           std::equal(a.inverse.begin(), a.inverse.end(), b.inverse.begin(), isNear);
}

std::vector<float> ropeFactors(const RopeScaling& rope, std::int64_t rotaryDim)
{
    RopeScaling plain = rope;
    plain.kind = RopeKind::Default;
    const RopeFrequencies before = ropeFrequencies(plain, rotaryDim, 1);
    const RopeFrequencies after = ropeFrequencies(rope, rotaryDim, 1);
    std::vector<float> factors(before.inverse.size());
    for (std::size_t i = 0; i < factors.size(); ++i) {
        factors[i] = static_cast<float>(before.inverse[i] / after.inverse[i]);
    }
    return factors;
}

void addGgufRope(GgufMetadata& metadata, const std::string& architecture, const RopeScaling& rope)
{
    const std::string prefix = architecture + ".rope.";
    const std::string scaling = prefix + "scaling.";
    metadata.add(prefix + "freq_base", GgufValue::float32(rope.theta));
    if (rope.kind == RopeKind::Dynamic) {
        throw DataError("The rotary embedding is " + describeRope(rope) +
                            "; a GGUF file has no dynamic scaling",
                        "Export the model with linear, YaRN or llama3 scaling.");
    }
    if (rope.kind == RopeKind::Default) {
        return;
    }
    metadata.add(kRopeKey, GgufValue::text(ropeToJson(rope)));
    if (rope.kind == RopeKind::Llama3) {
        return;
    }
    metadata.add(scaling + "type", GgufValue::text(ropeKindName(rope.kind)));
    metadata.add(scaling + "factor", GgufValue::float32(rope.factor));
    if (rope.kind == RopeKind::Linear) {
        return;
    }
    if (!rope.wholeCorrectionRange) {
        throw DataError("The rotary embedding is YaRN with \"truncate\": false, which llama.cpp "
                        "does not compute",
                        "Export the model with another scaling.");
    }
    metadata.add(scaling + "original_context_length",
                 GgufValue::uint32(rope.originalMaxPositionEmbeddings));
    if (rope.attentionFactor > 0.0) {
        metadata.add(scaling + "yarn_attn_factor",
                     GgufValue::float32(rope.attentionFactor / usualAttentionFactor(rope.factor)));
    }
    metadata.add(scaling + "yarn_beta_fast", GgufValue::float32(rope.betaFast));
    metadata.add(scaling + "yarn_beta_slow", GgufValue::float32(rope.betaSlow));
}

} // namespace longlora
