// SPDX-License-Identifier: GPL-3.0-or-later
// Single settings, "lora.rank=16", in both directions.
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"
#include "core/spec/config/config_json.h"

#include <nlohmann/json.hpp>

namespace longlora {

namespace {

using Json = nlohmann::ordered_json;

bool isSoundJson(std::string_view text)
{
    try {
        requireSoundJson(text, "setting", JsonLimits());
        return true;
    } catch (const FormatError&) {
        return false;
    }
}

void requireUtf8(const std::string& key, std::string_view text)
{
    try {
        static_cast<void>(Json(std::string(text)).dump());
    } catch (const Json::type_error&) {
        throw ConfigError(key + ": the value is not UTF-8 text");
    }
}

/// The value as JSON. `present` is what the field holds now: strings, and lists of one, may be
/// written bare.
Json settingValue(const std::string& key, const Json& present, std::string_view text)
{
    const bool quoted = text.starts_with('"');
    const bool bracketed = text.starts_with('[');
    if (present.is_string() && !quoted) {
        return std::string(text);
    }
    if (present.is_array() && !quoted && !bracketed) {
        return text.empty() ? Json::array() : Json::array({std::string(text)});
    }
    if (!isSoundJson(text)) {
        if (quoted || bracketed || text.starts_with('{')) {
            throw ConfigError(key + ": " + std::string(text) + " is not valid JSON");
        }
        return std::string(text);
    }
    Json value = Json::parse(text);
    return present.is_array() && value.is_string() ? Json::array({value}) : value;
}

/// The place `key` names in `json`; made if it is not there, so that reading says what is wrong.
Json& placeOf(Json& json, const std::string& key)
{
    const std::size_t dot = key.find('.');
    if (dot == std::string::npos) {
        return json[key];
    }
    Json& group = json[key.substr(0, dot)];
    if (!group.is_object()) {
        group = Json::object();
    }
    return group[key.substr(dot + 1)];
}

/// What stands behind the equals sign so that applySetting reads `value` again.
std::string settingText(const Json& value)
{
    const auto readsBare = [](const Json& one) {
        const std::string text = one.get<std::string>();
        return !text.starts_with('"') && !text.starts_with('[') && !text.empty();
    };
    if (value.is_string()) {
        const std::string text = value.get<std::string>();
        return text.starts_with('"') ? value.dump() : text;
    }
    if (value.is_array() && value.size() == 1 && readsBare(value.front())) {
        return value.front().get<std::string>();
    }
    return value.dump();
}

std::string shellQuoted(const std::string& word)
{
    constexpr std::string_view kSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789_@%+=:,./-";
    if (!word.empty() && word.find_first_not_of(kSafe) == std::string::npos) {
        return word;
    }
    std::string quoted = "'";
    for (const char c : word) {
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return quoted + "'";
}

void appendDifferences(const Json& config, const Json& defaults, const std::string& prefix,
                       std::string& line)
{
    for (const auto& item : config.items()) {
        const Json& usual = defaults.at(item.key());
        if (item.value().is_object()) {
            appendDifferences(item.value(), usual, prefix + item.key() + ".", line);
        } else if (item.value() != usual) {
            line += " --set " + shellQuoted(prefix + item.key() + "=" + settingText(item.value()));
        }
    }
}

} // namespace

void applySetting(RunConfig& config, std::string_view keyEqualsValue)
{
    const std::size_t equals = keyEqualsValue.find('=');
    if (equals == std::string_view::npos || equals == 0) {
        throw ConfigError("setting \"" + std::string(keyEqualsValue) + "\" has no key and value",
                          "Write it as key=value, for example lora.rank=16.");
    }
    const std::string key(keyEqualsValue.substr(0, equals));
    const std::string_view text = keyEqualsValue.substr(equals + 1);
    requireUtf8("setting", key);
    requireUtf8(key, text);
    Json json = Json::parse(runConfigToJson(config));
    Json& place = placeOf(json, key);
    Json value = settingValue(key, place, text);
    if (place.is_object() && value.is_object()) {
        place.update(value);
    } else {
        place = std::move(value);
    }
    config = runConfigFromJson(json.dump(), {});
}

std::string trainCommandLine(const RunConfig& config)
{
    std::string line = "longlora train";
    appendDifferences(Json::parse(runConfigToJson(config)), Json::parse(runConfigToJson({})), {},
                      line);
    return line;
}

} // namespace longlora
