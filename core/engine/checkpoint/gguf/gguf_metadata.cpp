// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/gguf_metadata.h"

#include "core/engine/checkpoint/gguf/printable.h"
#include "core/spec/base/error.h"

#include <fmt/format.h>

#include <cstdlib>

namespace longlora {

namespace {

/// The double whose shortest spelling is that of the float.
double shortest(float value)
{
    return std::strtod(fmt::format("{}", value).c_str(), nullptr);
}

} // namespace

bool GgufMetadata::add(std::string key, GgufValue value)
{
    if (!m_places.emplace(key, m_entries.size()).second) {
        return false;
    }
    m_entries.emplace_back(std::move(key), std::move(value));
    return true;
}

const GgufValue* GgufMetadata::find(std::string_view key) const
{
    const auto found = m_places.find(key);
    return found == m_places.end() ? nullptr : &m_entries[found->second].second;
}

const GgufValue& GgufMetadata::get(std::string_view key) const
{
    const GgufValue* const value = find(key);
    if (value == nullptr) {
        refuse(key, "missing");
    }
    return *value;
}

std::string GgufMetadata::text(std::string_view key) const
{
    const auto* const value = std::get_if<std::string>(&get(key).data);
    if (value == nullptr) {
        refuse(key, "must be a string");
    }
    return *value;
}

std::int64_t GgufMetadata::integer(std::string_view key, std::int64_t minimum,
                                   std::int64_t maximum) const
{
    const GgufValue& value = get(key);
    const auto* const whole = std::get_if<std::int64_t>(&value.data);
    if (whole == nullptr || value.type == GgufValueType::Bool) {
        refuse(key, "must be a whole number");
    }
    const bool isHuge = value.type == GgufValueType::Uint64 && *whole < 0;
    if (isHuge || *whole < minimum || *whole > maximum) {
        const std::string shown = isHuge ? fmt::format("{}", static_cast<std::uint64_t>(*whole))
                                         : fmt::format("{}", *whole);
        refuse(key, fmt::format("{} is not between {} and {}", shown, minimum, maximum));
    }
    return *whole;
}

double GgufMetadata::number(std::string_view key, double minimum, double maximum) const
{
    const GgufValue& value = get(key);
    const auto* const real = std::get_if<double>(&value.data);
    if (real == nullptr) {
        refuse(key, "must be a number with a fraction");
    }
    if (!(*real >= minimum && *real <= maximum)) {
        refuse(key, fmt::format("{} is not between {} and {}", *real, minimum, maximum));
    }
    return value.type == GgufValueType::Float32 ? shortest(static_cast<float>(*real)) : *real;
}

bool GgufMetadata::boolean(std::string_view key) const
{
    const GgufValue& value = get(key);
    if (value.type != GgufValueType::Bool || value.isArray()) {
        refuse(key, "must be true or false");
    }
    return std::get<std::int64_t>(value.data) != 0;
}

const std::vector<std::string>& GgufMetadata::texts(std::string_view key) const
{
    const auto* const values = std::get_if<std::vector<std::string>>(&get(key).data);
    if (values == nullptr) {
        refuse(key, "must be an array of strings");
    }
    return *values;
}

const std::vector<std::int64_t>& GgufMetadata::integers(std::string_view key) const
{
    const GgufValue& value = get(key);
    const auto* const values = std::get_if<std::vector<std::int64_t>>(&value.data);
    if (values == nullptr || value.type == GgufValueType::Bool) {
        refuse(key, "must be an array of whole numbers");
    }
    return *values;
}

const std::vector<double>& GgufMetadata::numbers(std::string_view key) const
{
    const auto* const values = std::get_if<std::vector<double>>(&get(key).data);
    if (values == nullptr) {
        refuse(key, "must be an array of numbers with a fraction");
    }
    return *values;
}

std::string GgufMetadata::textOr(std::string_view key, std::string absent) const
{
    return has(key) ? text(key) : std::move(absent);
}

std::int64_t GgufMetadata::integerOr(std::string_view key, std::int64_t absent,
                                     std::int64_t minimum, std::int64_t maximum) const
{
    return has(key) ? integer(key, minimum, maximum) : absent;
}

double GgufMetadata::numberOr(std::string_view key, double absent, double minimum,
                              double maximum) const
{
    return has(key) ? number(key, minimum, maximum) : absent;
}

bool GgufMetadata::booleanOr(std::string_view key, bool absent) const
{
    return has(key) ? boolean(key) : absent;
}

void GgufMetadata::refuse(std::string_view key, const std::string& what, std::string hint) const
{
    const GgufValue* const value = find(key);
    std::string where = "key " + printable(key);
    if (value != nullptr && value->offset > 0) {
        where += fmt::format(", offset {}", value->offset);
    }
    throw FormatError(m_file, where, what, std::move(hint));
}

} // namespace longlora
