// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/config_json.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"
#include "core/spec/base/nearest_name.h"
#include "core/spec/config/run_config_fields.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <type_traits>
#include <utility>

namespace longlora {

namespace {

using Json = nlohmann::ordered_json;

constexpr JsonLimits kLimits{std::size_t{16} << 20, 16};

template <class T>
Json toJson(const T& value)
{
    if constexpr (std::is_enum_v<T>) {
        return std::string(enumName(value));
    } else {
        return value;
    }
}

template <class T>
Json toJson(const std::optional<T>& value)
{
    return value ? toJson(*value) : Json(nullptr);
}

struct JsonWriter {
    Json& json;

    template <class T>
    void field(const Field& field, const T& value)
    {
        json[std::string(field.key)] = toJson(value);
    }
    template <class Group>
    void group(std::string_view key, std::string_view, const Group& group)
    {
        Json& nested = json[std::string(key)] = Json::object();
        JsonWriter writer{nested};
        visitFields(group, writer);
    }
};

/// Every key with its dotted path: to know the unknown, and to name the nearest.
struct KeyCollector {
    std::vector<std::string> names;    ///< of the struct itself, groups included
    std::vector<std::string> allPaths; ///< dotted, of the struct and everything below

    template <class T>
    void field(const Field& field, const T&)
    {
        names.emplace_back(field.key);
        allPaths.emplace_back(field.key);
    }
    template <class Group>
    void group(std::string_view key, std::string_view, const Group& group)
    {
        names.emplace_back(key);
        KeyCollector nested;
        visitFields(group, nested);
        for (const std::string& path : nested.allPaths) {
            allPaths.push_back(std::string(key) + "." + path);
        }
    }
};

std::string nearestOf(std::string_view name, const std::vector<std::string>& candidates)
{
    const std::vector<std::string_view> views(candidates.begin(), candidates.end());
    return nearestName(name, views);
}

/// The dotted path an unknown key may be meant as: a sibling, else a key of the same name in some
/// group, else the most similar path. Empty if nothing is near.
std::string meantKey(const std::string& prefix, const std::string& key,
                     const std::vector<std::string>& siblings)
{
    if (const std::string sibling = nearestOf(key, siblings); !sibling.empty()) {
        return prefix + sibling;
    }
    const RunConfig defaults;
    KeyCollector all;
    visitFields(defaults, all);
    for (const std::string& path : all.allPaths) {
        if (path.ends_with("." + key)) {
            return path;
        }
    }
    return nearestOf(prefix + key, all.allPaths);
}

std::string shown(const Json& value)
{
    if (value.is_structured()) {
        return value.is_object() ? "an object" : "a list";
    }
    return value.dump(-1, ' ', true, Json::error_handler_t::replace);
}

/// Reads one struct; nested ones with a reader of their own.
class JsonReader {
public:
    /// `where`: what messages begin with; `prefix`: dotted path of `json` with a dot behind.
    JsonReader(const Json& json, std::string where, std::string prefix)
        : m_json(json)
        , m_where(std::move(where))
        , m_prefix(std::move(prefix))
    {}

    template <class Config>
    void read(Config& config)
    {
        if (!m_json.is_object()) {
            const std::string name =
                m_prefix.empty() ? "the configuration" : m_prefix.substr(0, m_prefix.size() - 1);
            throw ConfigError(m_where + name + ": must be an object, not " + shown(m_json));
        }
        refuseUnknownKeys(config);
        visitFields(config, *this);
    }

    template <class T>
    void field(const Field& field, T& value)
    {
        if (const auto found = m_json.find(std::string(field.key)); found != m_json.end()) {
            assign(field, *found, value);
        }
    }
    template <class Group>
    void group(std::string_view key, std::string_view, Group& group)
    {
        if (const auto found = m_json.find(std::string(key)); found != m_json.end()) {
            JsonReader(*found, m_where, m_prefix + std::string(key) + ".").read(group);
        }
    }

private:
    template <class Config>
    void refuseUnknownKeys(const Config& config) const
    {
        KeyCollector known;
        visitFields(config, known);
        for (const auto& item : m_json.items()) {
            const std::string& key = item.key();
            if (std::find(known.names.begin(), known.names.end(), key) != known.names.end()) {
                continue;
            }
            const std::string meant = meantKey(m_prefix, key, known.names);
            throw ConfigError(m_where + m_prefix + key + ": unknown key; " +
                              (meant.empty()
                                   ? fmt::format("known here: {}", fmt::join(known.names, ", "))
                                   : "did you mean " + meant + "?"));
        }
    }

    [[noreturn]] void refuse(const Field& field, const std::string& what) const
    {
        throw ConfigError(m_where + m_prefix + std::string(field.key) + ": " + what);
    }
    void requireRange(const Field& field, double value) const
    {
        if (!(value >= field.minimum && value <= field.maximum)) {
            refuse(field,
                   fmt::format("{} is outside {} to {}", value, field.minimum, field.maximum));
        }
    }

    void assign(const Field& field, const Json& json, bool& value) const
    {
        if (!json.is_boolean()) {
            refuse(field, "must be true or false, not " + shown(json));
        }
        value = json.get<bool>();
    }
    void assign(const Field& field, const Json& json, std::int64_t& value) const
    {
        // Every range ends far below 2^63, so a huge unsigned number fails it as a double.
        if (!json.is_number_integer()) {
            refuse(field, "must be a whole number, not " + shown(json));
        }
        requireRange(field, json.get<double>());
        value = json.get<std::int64_t>();
    }
    void assign(const Field& field, const Json& json, double& value) const
    {
        if (!json.is_number()) {
            refuse(field, "must be a number, not " + shown(json));
        }
        requireRange(field, json.get<double>());
        value = json.get<double>();
    }
    void assign(const Field& field, const Json& json, std::string& value) const
    {
        if (!json.is_string()) {
            refuse(field, "must be a string, not " + shown(json));
        }
        value = json.get<std::string>();
    }
    void assign(const Field& field, const Json& json, std::vector<std::string>& value) const
    {
        const bool strings =
            json.is_array() &&
            std::all_of(json.begin(), json.end(), [](const Json& one) { return one.is_string(); });
        if (!strings) {
            refuse(field, "must be a list of strings, not " + shown(json));
        }
        value = json.get<std::vector<std::string>>();
    }
    template <class T>
    void assign(const Field& field, const Json& json, std::optional<T>& value) const
    {
        if (json.is_null()) {
            value.reset();
            return;
        }
        T given{};
        assign(field, json, given);
        value = given;
    }
    template <class Enum>
    requires std::is_enum_v<Enum>
    void assign(const Field& field, const Json& json, Enum& value) const
    {
        const std::string name = json.is_string() ? json.get<std::string>() : std::string();
        const std::optional<Enum> found = enumFromName<Enum>(name);
        if (!found) {
            refuse(field, fmt::format("must be one of {}, not {}",
                                      fmt::join(kEnumNames<Enum>, ", "), shown(json)));
        }
        value = *found;
    }

    const Json& m_json;
    std::string m_where;
    std::string m_prefix;
};

} // namespace

std::string runConfigToJson(const RunConfig& config)
{
    Json json = Json::object();
    JsonWriter writer{json};
    visitFields(config, writer);
    // Paths are bytes to the system but text to JSON: what is not UTF-8 is shown, not thrown over.
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

RunConfig runConfigFromJson(std::string_view text, const std::string& file)
{
    requireSoundJson(text, file.empty() ? "the configuration" : file, kLimits);
    const Json json = Json::parse(text);
    RunConfig config;
    JsonReader(json, file.empty() ? std::string() : file + ": ", {}).read(config);
    return config;
}

RunConfig readRunConfig(const std::filesystem::path& file)
{
    return runConfigFromJson(readWholeFile(file, kLimits.bytes), file.string());
}

} // namespace longlora
