// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/rope_json.h"

#include <nlohmann/json.hpp>

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

void refuseWhatIsNotRead(const JsonObject& rope)
{
    for (const std::string& key : rope.keys()) {
        if (rope.isObject(key)) {
            rope.refuse(key, "rotary embeddings that differ by layer are not supported");
        }
    }
    if (rope.has("partial_rotary_factor") && rope.number("partial_rotary_factor", 0, 1) != 1.0) {
        rope.refuse("partial_rotary_factor", "rotating a part of each head is not supported");
    }
}

/// `json` is the value of rope_scaling or rope_parameters. The base may stand inside it.
RopeScaling readScaling(const JsonObject& json, double theta, std::int64_t maxPositionEmbeddings,
                        bool kindMayBeAbsent)
{
    refuseWhatIsNotRead(json);
    RopeScaling rope;
    rope.kind = readKind(json, kindMayBeAbsent);
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

void requireSameTheta(const JsonObject& config, std::string_view key)
{
    if (!config.has("rope_theta") || !config.has(key) || !config.object(key).has("rope_theta")) {
        return;
    }
    const JsonObject inner = config.object(key);
    if (inner.number("rope_theta", 0, kInfinity) != config.number("rope_theta", 0, kInfinity)) {
        inner.refuse("rope_theta", "differs from the rope_theta outside");
    }
}

} // namespace

RopeScaling readRope(const JsonObject& config, std::int64_t maxPositionEmbeddings)
{
    requireSameTheta(config, "rope_scaling");
    requireSameTheta(config, "rope_parameters");
    const double theta = config.numberOr("rope_theta", RopeScaling().theta, 1e-6, kInfinity);
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
        const double base = found && !config.has("rope_theta") ? found->theta : theta;
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
    return *found;
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
