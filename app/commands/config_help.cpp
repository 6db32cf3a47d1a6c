// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/config_help.h"

#include "core/spec/base/units.h"
#include "core/spec/config/run_config_fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <optional>
#include <vector>

namespace longlora::app {

namespace {

std::string numberText(double number)
{
    const bool isCount = std::abs(number) >= 1000.0 && number == std::round(number);
    return isCount ? formatCount(static_cast<std::int64_t>(number)) : fmt::format("{:g}", number);
}

std::string valueText(const std::string& value)
{
    return value.empty() ? "none" : value;
}
std::string valueText(bool value)
{
    return value ? "true" : "false";
}
std::string valueText(std::int64_t value)
{
    return numberText(static_cast<double>(value));
}
std::string valueText(double value)
{
    return numberText(value);
}
std::string valueText(const std::vector<std::string>& values)
{
    return values.empty() ? "none" : fmt::format("{}", fmt::join(values, ","));
}
template <class Number>
std::string valueText(const std::optional<Number>& value)
{
    return value ? valueText(*value) : "none";
}
template <class Enum>
requires std::is_enum_v<Enum> std::string valueText(Enum value)
{
    return std::string(enumName(value));
}

template <class Value>
std::string choicesText()
{
    if constexpr (std::is_enum_v<Value>) {
        return fmt::format(" [{}]", fmt::join(kEnumNames<Value>, ", "));
    } else if constexpr (std::is_same_v<Value, bool>) {
        return " [true, false]";
    } else {
        return {};
    }
}

std::string rangeText(const Field& field)
{
    if (!std::isfinite(field.minimum) && !std::isfinite(field.maximum)) {
        return {};
    }
    return fmt::format(" [{} to {}{}{}]", numberText(field.minimum), numberText(field.maximum),
                       field.unit.empty() ? "" : " ", field.unit);
}

/// Writes a line per field; groups put their key before those of their fields.
class HelpWriter {
public:
    template <class Value>
    void field(const Field& field, const Value& value)
    {
        const std::string key = m_prefix + std::string(field.key);
        m_text += fmt::format("  {:<32}{}{}{} (default {})\n", key, field.doc, choicesText<Value>(),
                              rangeText(field), valueText(value));
    }
    template <class Group>
    void group(std::string_view key, std::string_view, const Group& group)
    {
        m_prefix = std::string(key) + ".";
        visitFields(group, *this);
        m_prefix.clear();
    }
    const std::string& text() const { return m_text; }

private:
    std::string m_prefix;
    std::string m_text;
};

} // namespace

std::string runConfigHelp()
{
    HelpWriter writer;
    const RunConfig defaults;
    visitFields(defaults, writer);
    return "Fields of a run configuration, for --set KEY=VALUE and, nested, for --config FILE:\n" +
           writer.text();
}

} // namespace longlora::app
