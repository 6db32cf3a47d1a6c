// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/events/event_json.h"

#include <nlohmann/json.hpp>

#include <array>
#include <limits>
#include <type_traits>
#include <utility>

namespace longlora {

namespace {

using Json = nlohmann::ordered_json;

// The names that stand in files, in the order of the variant and the enumerations.
constexpr std::array<const char*, std::variant_size_v<EventBody>> kTypeNames = {
    "run_started", "step", "held_out", "state", "checkpoint", "message", "run_finished", "device"};

template <class Enum>
struct EnumNames;
template <>
struct EnumNames<RunState> {
    static constexpr std::array<const char*, 6> kNames = {"preparing", "running",  "holding",
                                                          "held",      "stopping", "finished"};
};
template <>
struct EnumNames<MessageLevel> {
    static constexpr std::array<const char*, 3> kNames = {"info", "warning", "error"};
};
template <>
struct EnumNames<RunOutcome> {
    static constexpr std::array<const char*, 3> kNames = {"completed", "stopped", "failed"};
};

/// The one description of every body: calls field(key, member) in the order of the JSON line.
template <class Body, class FieldVisitor>
void visitBody(Body& body, FieldVisitor&& field)
{
    using Type = std::remove_const_t<Body>;
    if constexpr (std::is_same_v<Type, PlannedItem>) {
        field("name", body.name);
        field("bytes", body.bytes);
        field("formula", body.formula);
    } else if constexpr (std::is_same_v<Type, RunStarted>) {
        field("total_steps", body.totalSteps);
        field("row_tokens", body.rowTokens);
        field("rows_per_step", body.rowsPerStep);
        field("parameters", body.parameters);
        field("trainable_parameters", body.trainableParameters);
        field("device", body.device);
        field("precision", body.precision);
        field("attention", body.attention);
        field("planned_peak_bytes", body.plannedPeakBytes);
        field("plan", body.plan);
    } else if constexpr (std::is_same_v<Type, StepDone>) {
        field("step", body.step);
        field("loss", body.loss);
        field("learning_rate", body.learningRate);
        field("gradient_norm", body.gradientNorm);
        field("tokens", body.tokens);
        field("scored_tokens", body.scoredTokens);
        field("seconds", body.seconds);
        field("tokens_per_second", body.tokensPerSecond);
        field("memory_bytes", body.memoryBytes);
        field("peak_bytes", body.peakBytes);
        field("full_attention", body.fullAttention);
    } else if constexpr (std::is_same_v<Type, HeldOutMeasured>) {
        field("step", body.step);
        field("loss", body.loss);
        field("tokens", body.tokens);
        field("seconds", body.seconds);
    } else if constexpr (std::is_same_v<Type, StateChanged>) {
        field("state", body.state);
        field("detail", body.detail);
    } else if constexpr (std::is_same_v<Type, CheckpointWritten>) {
        field("step", body.step);
        field("path", body.path);
        field("bytes", body.bytes);
        field("seconds", body.seconds);
    } else if constexpr (std::is_same_v<Type, Message>) {
        field("level", body.level);
        field("text", body.text);
    } else if constexpr (std::is_same_v<Type, DeviceMeasured>) {
        field("memory_bytes", body.memoryBytes);
        field("free_bytes", body.freeBytes);
        field("taken_bytes", body.takenBytes);
        field("busy", body.busy);
        field("celsius", body.celsius);
        field("watts", body.watts);
    } else {
        static_assert(std::is_same_v<Type, RunFinished>);
        field("outcome", body.outcome);
        field("steps", body.steps);
        field("final_loss", body.finalLoss);
        field("seconds", body.seconds);
        field("tokens_per_second", body.tokensPerSecond);
        field("peak_bytes", body.peakBytes);
        field("planned_peak_bytes", body.plannedPeakBytes);
        field("adapter", body.adapter);
        field("message", body.message);
        field("hint", body.hint);
        field("exit_status", body.exitStatus);
    }
}

/// Like visitBody, for what every line begins with.
template <class Header, class FieldVisitor>
void visitHeader(Header& header, FieldVisitor&& field)
{
    field("run", header.run);
    field("rank", header.rank);
    field("sequence", header.sequence);
    field("time", header.time);
}

struct Writer {
    Json& object;

    template <class Value>
    void operator()(const char* key, const Value& value)
    {
        if constexpr (std::is_same_v<Value, std::optional<double>>) {
            if (value) {
                object[key] = *value;
            }
        } else if constexpr (std::is_enum_v<Value>) {
            object[key] = EnumNames<Value>::kNames[static_cast<std::size_t>(value)];
        } else if constexpr (std::is_same_v<Value, std::vector<PlannedItem>>) {
            Json items = Json::array();
            for (const PlannedItem& item : value) {
                Json entry = Json::object();
                visitBody(item, Writer{entry});
                items.push_back(std::move(entry));
            }
            object[key] = std::move(items);
        } else {
            object[key] = value;
        }
    }
};

/// Absent fields keep their defaults (an older version's line); `ok` falls at a wrong type.
struct Reader {
    const Json& object;
    bool& ok;

    template <class Value>
    void operator()(const char* key, Value& value)
    {
        if (const auto found = object.find(key); found != object.end()) {
            ok = read(*found, value) && ok;
        }
    }

private:
    static bool read(const Json& json, std::string& value)
    {
        if (json.is_string()) {
            value = json.get_ref<const std::string&>();
        }
        return json.is_string();
    }
    static bool read(const Json& json, bool& value)
    {
        if (json.is_boolean()) {
            value = json.get<bool>();
        }
        return json.is_boolean();
    }
    static bool read(const Json& json, double& value)
    {
        if (json.is_null()) {
            value = std::numeric_limits<double>::quiet_NaN();
            return true;
        }
        if (json.is_number()) {
            value = json.get<double>();
        }
        return json.is_number();
    }
    static bool read(const Json& json, std::optional<double>& value)
    {
        return read(json, value.emplace());
    }
    template <class Integer>
    requires std::is_integral_v<Integer>
    static bool read(const Json& json, Integer& value)
    {
        if (json.is_number_unsigned()) {
            const auto number = json.get<std::uint64_t>();
            value = static_cast<Integer>(number);
            return std::in_range<Integer>(number);
        }
        if (json.is_number_integer()) {
            const auto number = json.get<std::int64_t>();
            value = static_cast<Integer>(number);
            return std::in_range<Integer>(number);
        }
        return false;
    }
    template <class Enum>
    requires std::is_enum_v<Enum>
    static bool read(const Json& json, Enum& value)
    {
        const auto& names = EnumNames<Enum>::kNames;
        for (std::size_t i = 0; json.is_string() && i < names.size(); ++i) {
            if (json.get_ref<const std::string&>() == names[i]) {
                value = static_cast<Enum>(i);
                return true;
            }
        }
        return false;
    }
    static bool read(const Json& json, std::vector<PlannedItem>& items)
    {
        bool readable = json.is_array();
        for (std::size_t i = 0; readable && i < json.size(); ++i) {
            readable = json[i].is_object();
            if (readable) {
                visitBody(items.emplace_back(), Reader{json[i], readable});
            }
        }
        return readable;
    }
};

/// A default body of the named type; empty for an unknown name.
template <std::size_t Index = 0>
std::optional<EventBody> bodyOfType(const std::string& name)
{
    if constexpr (Index < std::variant_size_v<EventBody>) {
        return name == kTypeNames[Index]
                   ? std::optional<EventBody>(std::in_place, std::in_place_index<Index>)
                   : bodyOfType<Index + 1>(name);
    } else {
        return std::nullopt;
    }
}

} // namespace

std::string eventToJson(const Event& event)
{
    Json line = Json::object();
    line["type"] = kTypeNames[event.body.index()];
    visitHeader(event.header, Writer{line});
    std::visit([&line](const auto& body) { visitBody(body, Writer{line}); }, event.body);
    return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<Event> eventFromJson(std::string_view line)
{
    const Json object = Json::parse(line.begin(), line.end(), nullptr, false);
    if (!object.is_object()) {
        return std::nullopt;
    }
    const auto type = object.find("type");
    // Without these a line cannot be placed in a run.
    if (type == object.end() || !type->is_string() || !object.contains("sequence") ||
        !object.contains("time")) {
        return std::nullopt;
    }
    std::optional<EventBody> body = bodyOfType(type->get_ref<const std::string&>());
    if (!body) {
        return std::nullopt;
    }
    Event event{{}, std::move(*body)};
    bool ok = true;
    visitHeader(event.header, Reader{object, ok});
    std::visit([&](auto& fields) { visitBody(fields, Reader{object, ok}); }, event.body);
    return ok ? std::optional<Event>(std::move(event)) : std::nullopt;
}

} // namespace longlora
