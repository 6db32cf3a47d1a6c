// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/peft_config.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <nlohmann/json.hpp>
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <stdexcept>
#include <string_view>

namespace longlora {

namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;
constexpr std::int64_t kMaxRank = 65536;
constexpr double kMaxAlpha = 1e6;
constexpr std::size_t kMaxPatternBytes = 1000;

/// Switches that turn LoRA into something else. Off means absent, null, false or empty.
constexpr std::array<std::string_view, 17> kOtherMathematics = {
    "use_dora",          "lora_bias",    "fan_in_fan_out",    "alora_invocation_tokens",
    "use_qalora",        "use_bdlora",   "kasa_config",       "velora_config",
    "eva_config",        "corda_config", "monteclora_config", "lora_ga_config",
    "loftq_config",      "arrow_config", "megatron_config",   "layer_replication",
    "target_parameters",
};

/// All other keys of PEFT 0.21's LoraConfig.
constexpr std::array<std::string_view, 25> kOtherKeys = {
    "alpha_pattern",
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "ensure_weight_tying",
    "exclude_modules",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "trainable_token_indices",
    "use_rslora",
};

/// Starting values that leave the base as it is; the others (pissa, olora, corda, loftq, ...) store
/// an adapter of a changed base.
constexpr std::array<std::string_view, 4> kPlainStarts = {"gaussian", "eva", "orthogonal", "true"};

void refuseOtherMathematics(const JsonObject& json)
{
    if (const std::string type = json.text("peft_type"); type != "LORA") {
        json.refuse("peft_type", "adapters of type \"" + type + "\" are not supported",
                    "Supported: LORA.");
    }
    for (const std::string_view key : kOtherMathematics) {
        if (!json.isOff(key)) {
            json.refuse(key, "this variant of LoRA is not supported");
        }
    }
    if (const std::string bias = json.textOr("bias", "none"); bias != "none") {
        json.refuse("bias", "\"" + bias + "\": trained biases are not supported");
    }
    if (json.isString("init_lora_weights")) {
        const std::string start = json.text("init_lora_weights");
        if (std::find(kPlainStarts.begin(), kPlainStarts.end(), start) == kPlainStarts.end()) {
            json.refuse("init_lora_weights",
                        "\"" + start + "\" changes the base model, which is not supported",
                        "Convert the adapter to plain LoRA with PEFT first.");
        }
    }
}

std::vector<std::string> unknownKeysOf(const JsonObject& json)
{
    const auto isIn = [](const auto& keys, const std::string& key) {
        return std::find(keys.begin(), keys.end(), key) != keys.end();
    };
    std::vector<std::string> unknown;
    for (const std::string& key : json.keys()) {
        if (!isIn(kOtherMathematics, key) && !isIn(kOtherKeys, key)) {
            unknown.push_back(key);
        }
    }
    return unknown;
}

/// A list is the embedding's, an object has lists by module.
std::map<std::string, std::vector<std::int64_t>> tokensIn(const JsonObject& json)
{
    constexpr const char* kKey = "trainable_token_indices";
    constexpr std::int64_t kMaxToken = 1 << 24;
    std::map<std::string, std::vector<std::int64_t>> tokens;
    if (json.isOff(kKey)) {
        return tokens;
    }
    if (json.isObject(kKey)) {
        const JsonObject modules = json.object(kKey);
        for (const std::string& module : modules.keys()) {
            tokens[module] = modules.integers(module, 0, kMaxToken);
        }
    } else {
        tokens[""] = json.integers(kKey, 0, kMaxToken);
    }
    for (const auto& [module, list] : tokens) {
        if (std::set<std::int64_t>(list.begin(), list.end()).size() != list.size()) {
            json.refuse(kKey, "names a token twice");
        }
    }
    return tokens;
}

ModulePattern patternOf(const JsonObject& patterns, const std::string& key)
{
    try {
        return ModulePattern(key);
    } catch (const std::invalid_argument& error) {
        patterns.refuse(key, error.what());
    }
}

/// The value of the first pattern that matches, or `fallback`.
template <typename Value>
Value valueOf(const std::vector<std::pair<ModulePattern, Value>>& patterns,
              const std::string& module, Value fallback)
{
    for (const auto& [pattern, value] : patterns) {
        if (pattern.matches(module)) {
            return value;
        }
    }
    return fallback;
}

} // namespace

ModulePattern::ModulePattern(const std::string& expression)
{
    if (expression.size() > kMaxPatternBytes) {
        throw std::invalid_argument("the pattern is too long");
    }
    const std::string whole = "(?:.*\\.)?(?:" + expression + ")$";
    int code = 0;
    PCRE2_SIZE offset = 0;
    m_code = std::shared_ptr<void>(
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(whole.data()), whole.size(),
                      PCRE2_ANCHORED | PCRE2_DOLLAR_ENDONLY, &code, &offset, nullptr),
        [](void* compiled) { pcre2_code_free(static_cast<pcre2_code*>(compiled)); });
    if (!m_code) {
        throw std::invalid_argument("the pattern is no regular expression");
    }
}

bool ModulePattern::matches(const std::string& module) const
{
    constexpr std::uint32_t kMatchLimit = 100'000;
    auto* const code = static_cast<pcre2_code*>(m_code.get());
    const std::unique_ptr<pcre2_match_context, void (*)(pcre2_match_context*)> context(
        pcre2_match_context_create(nullptr), pcre2_match_context_free);
    const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data(
        pcre2_match_data_create_from_pattern(code, nullptr), pcre2_match_data_free);
    if (!context || !data) {
        throw std::bad_alloc();
    }
    pcre2_set_match_limit(context.get(), kMatchLimit);
    const int found = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(module.data()), module.size(),
                                  0, 0, data.get(), context.get());
    if (found < 0 && found != PCRE2_ERROR_NOMATCH) {
        throw std::invalid_argument("a pattern cannot be matched within bounds");
    }
    return found >= 0;
}

PeftConfig PeftConfig::read(const std::filesystem::path& file)
{
    const JsonObject json = JsonObject::parse(readWholeFile(file, kMaxConfigBytes), file.string());
    refuseOtherMathematics(json);
    PeftConfig config;
    config.m_file = file.string();
    config.baseModel = json.textOr("base_model_name_or_path", "");
    config.m_rank = json.integer("r", 1, kMaxRank);
    config.m_alpha = json.number("lora_alpha", 0.0, kMaxAlpha);
    config.m_rsLora = json.booleanOr("use_rslora", false);
    config.keepsTying = json.booleanOr("ensure_weight_tying", false);
    config.unknownKeys = unknownKeysOf(json);
    config.m_tokens = tokensIn(json);
    if (json.has("modules_to_save")) {
        config.modulesToSave = json.texts("modules_to_save");
    }
    if (json.has("rank_pattern")) {
        const JsonObject patterns = json.object("rank_pattern");
        for (const std::string& key : patterns.keys()) {
            config.m_rankPattern.emplace_back(patternOf(patterns, key),
                                              patterns.integer(key, 1, kMaxRank));
        }
    }
    if (json.has("alpha_pattern")) {
        const JsonObject patterns = json.object("alpha_pattern");
        for (const std::string& key : patterns.keys()) {
            config.m_alphaPattern.emplace_back(patternOf(patterns, key),
                                               patterns.number(key, 0.0, kMaxAlpha));
        }
    }
    return config;
}

const std::vector<std::int64_t>& PeftConfig::tokensOf(const std::string& module) const
{
    static const std::vector<std::int64_t> kNone;
    for (const auto& [ending, tokens] : m_tokens) {
        const bool isEmbedding = module.ends_with(".embed_tokens") || module.ends_with(".embed_in");
        const bool isNamed = module == ending || module.ends_with("." + ending);
        if (ending.empty() ? isEmbedding : isNamed) {
            return tokens;
        }
    }
    return kNone;
}

PeftConfig::Shape PeftConfig::shapeOf(const std::string& module) const
{
    try {
        const std::int64_t rank = valueOf(m_rankPattern, module, m_rank);
        const double alpha = valueOf(m_alphaPattern, module, m_alpha);
        const auto divisor = static_cast<double>(rank);
        return {rank, alpha / (m_rsLora ? std::sqrt(divisor) : divisor)};
    } catch (const std::invalid_argument& error) {
        throw FormatError(m_file, "rank_pattern or alpha_pattern", error.what());
    }
}

namespace {

using Json = nlohmann::json; // sorts its keys, as PEFT does

/// 16 rather than 16.0: PEFT reads both, people read the first.
Json asNumber(double value)
{
    constexpr double kExactIntegers = 9e15;
    const bool isWhole = value == std::floor(value) && std::abs(value) < kExactIntegers;
    return isWhole ? Json(static_cast<std::int64_t>(value)) : Json(value);
}

/// "q_proj" of "model.layers.0.self_attn.q_proj".
std::string lastPart(const std::string& module)
{
    return module.substr(module.rfind('.') + 1);
}

/// The names under which PEFT finds the modules that were trained whole.
Json modulesToSave(const std::map<std::string, at::Tensor>& replaced)
{
    std::set<std::string> names;
    for (const auto& [weight, tensor] : replaced) {
        const std::string last = lastPart(weight.substr(0, weight.rfind('.')));
        names.insert(last.ends_with("norm") ? "norm" : last);
    }
    return names.empty() ? Json(nullptr) : Json(names);
}

} // namespace

std::string peftConfigJson(const AdapterDescription& description,
                           const std::map<std::string, LoraPair>& pairs,
                           const std::map<std::string, at::Tensor>& replaced)
{
    const LoraConfig& lora = description.lora;
    std::set<std::string> targets;
    Json rankPattern = Json::object();
    Json alphaPattern = Json::object();
    for (const auto& [module, pair] : pairs) {
        targets.insert(lastPart(module));
        const std::int64_t rank = pair.a.size(0);
        const double alpha = pair.scale * static_cast<double>(rank);
        if (rank != lora.rank) {
            rankPattern[module] = rank;
        }
        if (std::abs(alpha - lora.alpha) > 1e-9 * std::abs(lora.alpha)) {
            alphaPattern[module] = asNumber(alpha);
        }
    }
    Json json = {
        {"base_model_name_or_path", description.baseModel},
        {"bias", "none"},
        {"ensure_weight_tying", description.keepsTying},
        {"fan_in_fan_out", false},
        {"inference_mode", true},
        {"init_lora_weights", true},
        {"loftq_config", Json::object()},
        {"lora_alpha", asNumber(lora.alpha)},
        {"lora_bias", false},
        {"lora_dropout", lora.dropout},
        {"megatron_core", "megatron.core"},
        {"modules_to_save", modulesToSave(replaced)},
        {"peft_type", "LORA"},
        {"peft_version", "0.21.2"},
        {"qalora_group_size", 16},
        {"r", lora.rank},
        {"rank_pattern", rankPattern},
        {"alpha_pattern", alphaPattern},
        {"target_modules", targets},
        {"task_type", "CAUSAL_LM"},
        {"use_dora", false},
        {"use_qalora", false},
        {"use_rslora", false},
    };
    for (const char* unused :
         {"alora_invocation_tokens", "arrow_config", "auto_mapping", "corda_config", "eva_config",
          "exclude_modules", "kasa_config", "layer_replication", "layers_pattern",
          "layers_to_transform", "lora_ga_config", "megatron_config", "monteclora_config",
          "revision", "target_parameters", "trainable_token_indices", "use_bdlora",
          "velora_config"}) {
        json[unused] = nullptr;
    }
    return json.dump(2);
}

} // namespace longlora
