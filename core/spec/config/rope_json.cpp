// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/rope_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

namespace longlora {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::max();
constexpr std::int64_t kMostTokens = std::int64_t{1} << 40;
constexpr std::array<std::string_view, 5> kKindNames = {"default", "linear", "dynamic", "yarn",
                                                        "llama3"};

RopeKind kindFromName(const JsonObject& rope, std::string_view key)
{
    const std::string name = rope.text(key);
    for (std::size_t i = 0; i < kKindNames.size(); ++i) {
        if (name == kKindNames[i]) {
            return static_cast<RopeKind>(i);
        }
    }
    rope.refuse(key, "unknown rotary embedding \"" + name + "\"",
                "Supported: default, linear, dynamic, yarn, llama3.");
}

RopeKind readKind(const JsonObject& rope, bool mayBeAbsent)
{
    const bool hasNew = rope.has("rope_type");
    const bool hasOld = rope.has("type");
    if (!hasNew && !hasOld) {
        if (!mayBeAbsent) {
            rope.refuse("rope_type", "missing: the kind of scaling is not said");
        }
        return RopeKind::Default;
    }
    const RopeKind kind = kindFromName(rope, hasNew ? "rope_type" : "type");
    if (hasNew && hasOld && kindFromName(rope, "type") != kind) {
        rope.refuse("type", "\"" + rope.text("type") + "\" contradicts rope_type \"" +
                                rope.text("rope_type") + "\"");
    }
    return kind;
}

/// transformers' 0.1 mscale ln(factor) + 1.
double attentionScale(double factor, double mscale)
{
    return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

void readYarn(const JsonObject& json, std::int64_t maxPositionEmbeddings, RopeScaling& rope)
{
    rope.originalMaxPositionEmbeddings =
        json.integerOr("original_max_position_embeddings", maxPositionEmbeddings, 1, kMostTokens);
    // An explicit factor wins over the ratio of the lengths.
    rope.factor = json.has("factor") ? json.number("factor", 1.0, kInfinity)
                                     : static_cast<double>(maxPositionEmbeddings) /
                                           static_cast<double>(rope.originalMaxPositionEmbeddings);
    if (rope.factor < 1.0) {
        json.refuse("original_max_position_embeddings",
                    "larger than max_position_embeddings, and there is no factor");
    }
    rope.betaFast = json.numberOr("beta_fast", rope.betaFast, 1e-6, 1e9);
    rope.betaSlow = json.numberOr("beta_slow", rope.betaSlow, 1e-6, 1e9);
    if (rope.betaFast < rope.betaSlow) {
        json.refuse("beta_fast", "smaller than beta_slow");
    }
    rope.wholeCorrectionRange = json.booleanOr("truncate", true);
    if (json.has("attention_factor")) {
        rope.attentionFactor = json.number("attention_factor", 1e-6, 1e6);
        // Said although it is the usual one: then it must follow when the factor grows.
        if (std::abs(rope.attentionFactor - attentionScale(rope.factor, 1.0)) < 1e-6) {
            rope.attentionFactor = 0.0;
        }
    } else if (json.has("mscale") && json.has("mscale_all_dim")) {
        const double mscale = json.number("mscale", 0.0, 1e6);
        const double allDimensions = json.number("mscale_all_dim", 0.0, 1e6);
        if (mscale != 0.0 && allDimensions != 0.0) {
            rope.attentionFactor =
                attentionScale(rope.factor, mscale) / attentionScale(rope.factor, allDimensions);
        }
    }
}

void readLlama3(const JsonObject& json, RopeScaling& rope)
{
    rope.factor = json.number("factor", 1.0, kInfinity);
    rope.originalMaxPositionEmbeddings =
        json.integer("original_max_position_embeddings", 1, kMostTokens);
    rope.lowFrequencyFactor = json.number("low_freq_factor", 1e-6, 1e9);
    rope.highFrequencyFactor = json.number("high_freq_factor", 1e-6, 1e9);
    if (rope.highFrequencyFactor <= rope.lowFrequencyFactor) {
        json.refuse("high_freq_factor", "must be larger than low_freq_factor");
    }
}

/// All keys that change an angle in one kind or another; some kinds pass over some of them, as
/// transformers does. "finetuned" is a remark of YaRN's authors.
constexpr std::array<std::string_view, 15> kKnownKeys = {
    "rope_type",
    "type",
    "rope_theta",
    "factor",
    "beta_fast",
    "beta_slow",
    "attention_factor",
    "mscale",
    "mscale_all_dim",
    "truncate",
    "low_freq_factor",
    "high_freq_factor",
    "finetuned",
    "original_max_position_embeddings",
    "partial_rotary_factor",
};

void refuseByLayer(const JsonObject& rope)
{
    for (const std::string& key : rope.keys()) {
        if (rope.isObject(key)) {
            rope.refuse(key, "rotary embeddings that differ by layer are not supported");
        }
    }
}

void refuseUnknownKeys(const JsonObject& rope)
{
    for (const std::string& key : rope.keys()) {
        const bool isKnown =
            std::find(kKnownKeys.begin(), kKnownKeys.end(), key) != kKnownKeys.end();
        if (!isKnown && rope.has(key)) {
            rope.refuse(key, "is no key of a rotary embedding that is known here",
                        "Keys are refused rather than passed over: they may turn every angle.");
        }
    }
}

/// `json` is the value of rope_scaling or rope_parameters. The base may stand inside it.
RopeScaling readScaling(const JsonObject& json, double theta, std::int64_t maxPositionEmbeddings,
                        bool kindMayBeAbsent)
{
    refuseByLayer(json);
    RopeScaling rope;
    rope.kind = readKind(json, kindMayBeAbsent);
    refuseUnknownKeys(json);
    rope.theta = json.numberOr("rope_theta", theta, 1e-6, kInfinity);
    switch (rope.kind) {
    case RopeKind::Default:
        if (json.numberOr("factor", 1.0, 1.0, kInfinity) != 1.0) {
            json.refuse("factor", "a factor contradicts the type \"default\"");
        }
        break;
    case RopeKind::Linear:
        rope.factor = json.number("factor", 1.0, kInfinity);
        break;
    case RopeKind::Dynamic:
        rope.factor = json.number("factor", 1.0, kInfinity);
        rope.originalMaxPositionEmbeddings = maxPositionEmbeddings;
        if (json.integerOr("original_max_position_embeddings", maxPositionEmbeddings, 1,
                           kMostTokens) != maxPositionEmbeddings) {
            json.refuse("original_max_position_embeddings",
                        "differs from max_position_embeddings, which dynamic scaling starts from");
        }
        break;
    case RopeKind::Yarn:
        readYarn(json, maxPositionEmbeddings, rope);
        break;
    case RopeKind::Llama3:
        readLlama3(json, rope);
        break;
    }
    return rope;
}

/// The base where it stands beside the rotary embedding: `rope_theta` or `rotary_emb_base`.
std::optional<double> readTheta(const JsonObject& config)
{
    std::optional<double> theta;
    for (const std::string_view key : {"rope_theta", "rotary_emb_base"}) {
        if (!config.has(key)) {
            continue;
        }
        const double value = config.number(key, 1e-6, kInfinity);
        if (theta && *theta != value) {
            config.refuse(key, "differs from rope_theta");
        }
        theta = value;
    }
    return theta;
}

void requireSameTheta(const JsonObject& config, std::string_view key,
                      const std::optional<double>& outside)
{
    if (!outside || !config.has(key) || !config.object(key).has("rope_theta")) {
        return;
    }
    const JsonObject inner = config.object(key);
    if (inner.number("rope_theta", 0, kInfinity) != *outside) {
        inner.refuse("rope_theta", "differs from the base outside");
    }
}

/// The length before scaling may stand outside, as in Phi 3. Of two that differ transformers 4 and
/// 5 take different ones.
void requireSameOriginal(const JsonObject& config, const RopeScaling& rope)
{
    constexpr std::string_view kKey = "original_max_position_embeddings";
    const bool counts = rope.kind == RopeKind::Yarn || rope.kind == RopeKind::Llama3;
    if (counts && config.has(kKey) &&
        config.integer(kKey, 1, kMostTokens) != rope.originalMaxPositionEmbeddings) {
        config.refuse(kKey, "differs from the one the rotary embedding is scaled from");
    }
}

} // namespace

RopeScaling readRope(const JsonObject& config, std::int64_t maxPositionEmbeddings)
{
    const std::optional<double> outside = readTheta(config);
    requireSameTheta(config, "rope_scaling", outside);
    requireSameTheta(config, "rope_parameters", outside);
    const double theta = outside.value_or(RopeScaling().theta);
    std::optional<RopeScaling> found;
    const auto take = [&](std::string_view key, const RopeScaling& rope) {
        if (found && *found != rope) {
            config.refuse(key, "contradicts the other description of the rotary embedding (" +
                                   describeRope(rope) + " against " + describeRope(*found) + ")");
        }
        found = rope;
    };
    if (config.has("rope_parameters")) {
        take("rope_parameters",
             readScaling(config.object("rope_parameters"), theta, maxPositionEmbeddings, true));
    }
    if (config.has("rope_scaling")) {
        const double base = found && !outside ? found->theta : theta;
        take("rope_scaling",
             readScaling(config.object("rope_scaling"), base, maxPositionEmbeddings, false));
    }
    const double condense = config.numberOr("rope_condense_ratio", 1.0, 1.0, kInfinity);
    if (condense != 1.0) {
        RopeScaling rope;
        rope.kind = RopeKind::Linear;
        rope.theta = theta;
        rope.factor = condense;
        take("rope_condense_ratio", rope);
    }
    if (!found) {
        found = RopeScaling();
        found->theta = theta;
    }
    requireSameOriginal(config, *found);
    return *found;
}

double readRotaryFraction(const JsonObject& config, double absent)
{
    std::optional<double> fraction;
    const auto take = [&](const JsonObject& json, std::string_view key) {
        if (!json.has(key)) {
            return;
        }
        const double value = json.number(key, 1e-6, 1.0);
        if (fraction && *fraction != value) {
            json.refuse(key, "differs from the part of each head that is rotated elsewhere");
        }
        fraction = value;
    };
    take(config, "rotary_pct");
    take(config, "partial_rotary_factor");
    for (const std::string_view key : {"rope_parameters", "rope_scaling"}) {
        if (config.isObject(key)) {
            take(config.object(key), "partial_rotary_factor");
        }
    }
    return fraction.value_or(absent);
}

std::string ropeToJson(const RopeScaling& rope)
{
    nlohmann::ordered_json json;
    json["rope_type"] = ropeKindName(rope.kind);
    json["rope_theta"] = rope.theta;
    if (rope.kind != RopeKind::Default) {
        json["factor"] = rope.factor;
    }
    if (rope.originalMaxPositionEmbeddings > 0) {
        json["original_max_position_embeddings"] = rope.originalMaxPositionEmbeddings;
    }
    if (rope.kind == RopeKind::Llama3) {
        json["low_freq_factor"] = rope.lowFrequencyFactor;
        json["high_freq_factor"] = rope.highFrequencyFactor;
    }
    if (rope.kind == RopeKind::Yarn) {
        json["beta_fast"] = rope.betaFast;
        json["beta_slow"] = rope.betaSlow;
        if (rope.attentionFactor > 0.0) {
            json["attention_factor"] = rope.attentionFactor;
        }
        if (!rope.wholeCorrectionRange) {
            json["truncate"] = false;
        }
    }
    return json.dump();
}

RopeScaling ropeFromJson(std::string_view text, const std::string& file)
{
    const JsonObject json = JsonObject::parse(text, file);
    const std::int64_t original =
        json.integerOr("original_max_position_embeddings", 0, 0, kMostTokens);
    const RopeScaling rope = readScaling(json, RopeScaling().theta, original, false);
    const bool needsOriginal = rope.kind == RopeKind::Dynamic || rope.kind == RopeKind::Yarn;
    if (needsOriginal && original == 0) {
        json.refuse("original_max_position_embeddings", "missing");
    }
    return rope;
}

} // namespace longlora
