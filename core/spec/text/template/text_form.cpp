// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/text_form.h"

#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"
#include "core/spec/text/utf8.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace longlora::jinja {

namespace {

using Json = nlohmann::ordered_json;

/// float.__repr__: the shortest digits that mean this number.
std::string textOfNumber(double value)
{
    if (std::isnan(value)) {
        return "nan";
    }
    if (std::isinf(value)) {
        return value < 0 ? "-inf" : "inf";
    }
    char buffer[64];
    const auto [end, error] =
        std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
    const std::string_view scientific(buffer, static_cast<std::size_t>(end - buffer));
    const std::size_t mark = scientific.find('e');
    std::string digits;
    for (const char c : scientific.substr(0, mark)) {
        digits += c >= '0' && c <= '9' ? std::string(1, c) : std::string();
    }
    int exponent = 0;
    const std::string_view power = scientific.substr(mark + 1);
    std::from_chars(power.data() + (power[0] == '+' ? 1 : 0), power.data() + power.size(),
                    exponent);
    const std::string sign = std::signbit(value) ? "-" : "";
    constexpr int kLargestPlain = 16;
    constexpr int kSmallestPlain = -4;
    if (exponent < kSmallestPlain || exponent >= kLargestPlain) {
        const std::string fraction = digits.size() > 1 ? "." + digits.substr(1) : "";
        return fmt::format("{}{}{}e{}{:02}", sign, digits[0], fraction, exponent < 0 ? '-' : '+',
                           std::abs(exponent));
    }
    if (exponent < 0) {
        return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
    }
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    if (digits.size() <= whole) {
        return sign + digits + std::string(whole - digits.size(), '0') + ".0";
    }
    return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

/// str.isprintable of one character.
bool isPrintable(char32_t c)
{
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    case UTF8PROC_CATEGORY_ZS:
        return c == U' ';
    default:
        return true;
    }
}

std::string escaped(char32_t c)
{
    const auto code = static_cast<std::uint32_t>(c);
    return c < 0x100     ? fmt::format("\\x{:02x}", code)
           : c < 0x10000 ? fmt::format("\\u{:04x}", code)
                         : fmt::format("\\U{:08x}", code);
}

/// str.__repr__
void appendQuoted(const std::string& text, std::string& out)
{
    const bool hasSingle = text.find('\'') != std::string::npos;
    const char quote = hasSingle && text.find('"') == std::string::npos ? '"' : '\'';
    out += quote;
    for (std::size_t i = 0; i < text.size();) {
        const auto [c, length] = utf8CharacterAt(text, i);
        if (c == static_cast<char32_t>(quote) || c == U'\\') {
            out += '\\';
            out += static_cast<char>(c);
        } else if (c == U'\n' || c == U'\r' || c == U'\t') {
            out += c == U'\n' ? "\\n" : c == U'\r' ? "\\r" : "\\t";
        } else {
            out += isPrintable(c) ? text.substr(i, length) : escaped(c);
        }
        i += length;
    }
    out += quote;
}

/// What str() writes of a value that has no parts.
std::optional<std::string> simpleText(const Value& value)
{
    if (value.isNone()) {
        return "None";
    }
    if (const bool* flag = value.boolean()) {
        return *flag ? "True" : "False";
    }
    if (const std::int64_t* integer = value.integer()) {
        return std::to_string(*integer);
    }
    if (const double* number = value.number()) {
        return textOfNumber(*number);
    }
    return std::nullopt;
}

/// repr(value)
void appendRepresentation(const Value& value, std::string& out, Budget& budget)
{
    const std::size_t before = out.size();
    budget.step();
    if (const std::optional<std::string> simple = simpleText(value)) {
        out += *simple;
    } else if (const std::string* text = value.string()) {
        appendQuoted(*text, out);
    } else if (const List* list = value.list()) {
        out += list->isTuple ? '(' : '[';
        for (std::size_t i = 0; i < list->items.size(); ++i) {
            out += i == 0 ? "" : ", ";
            appendRepresentation(list->items[i], out, budget);
        }
        out += list->isTuple && list->items.size() == 1 ? ",)" : list->isTuple ? ")" : "]";
    } else if (const Dict* dict = value.dict()) {
        out += '{';
        for (const auto& [key, entry] : dict->entries) {
            out += &key == &dict->entries.front().first ? "" : ", ";
            appendQuoted(key, out);
            out += ": ";
            appendRepresentation(entry, out, budget);
        }
        out += '}';
    } else if (value.isUndefined()) {
        out += "Undefined";
    } else {
        throw Failure(std::string("a ") + value.typeName() + " cannot be printed");
    }
    budget.make(out.size() - before);
}

class JsonWriter {
public:
    JsonWriter(const JsonForm& form, Budget& budget)
        : m_form(form)
        , m_budget(budget)
    {}

    void write(const Value& value, int level)
    {
        const std::size_t before = out.size();
        m_budget.step();
        if (value.isNone()) {
            out += "null";
        } else if (const bool* flag = value.boolean()) {
            out += *flag ? "true" : "false";
        } else if (const double* number = value.number()) {
            out += std::isnan(*number)   ? "NaN"
                   : std::isinf(*number) ? (*number < 0 ? "-Infinity" : "Infinity")
                                         : textOfNumber(*number);
        } else if (const std::optional<std::string> simple = simpleText(value)) {
            out += *simple;
        } else if (const std::string* text = value.string()) {
            writeText(*text);
        } else if (const List* list = value.list()) {
            writeList(*list, level);
        } else if (const Dict* dict = value.dict()) {
            writeDict(*dict, level);
        } else {
            requireDefined(value);
            throw Failure(std::string("a ") + value.typeName() + " has no JSON");
        }
        m_budget.make(out.size() - before);
    }

    std::string out;

private:
    void writeText(const std::string& text) { out += Json(text).dump(-1, ' ', m_form.ensureAscii); }

    void newLine(int level)
    {
        if (m_form.indent) {
            const std::int64_t spaces = std::max<std::int64_t>(*m_form.indent, 0) * level;
            m_budget.make(static_cast<std::size_t>(spaces));
            out += '\n' + std::string(static_cast<std::size_t>(spaces), ' ');
        }
    }

    void writeList(const List& list, int level)
    {
        if (list.items.empty()) {
            out += "[]";
            return;
        }
        out += '[';
        for (std::size_t i = 0; i < list.items.size(); ++i) {
            out += i == 0 ? "" : m_form.itemSeparator;
            newLine(level + 1);
            write(list.items[i], level + 1);
        }
        newLine(level);
        out += ']';
    }

    void writeDict(const Dict& dict, int level)
    {
        if (dict.entries.empty()) {
            out += "{}";
            return;
        }
        out += '{';
        bool isFirst = true;
        const auto writeEntry = [&](const std::string& key, const Value& value) {
            out += isFirst ? "" : m_form.itemSeparator;
            isFirst = false;
            newLine(level + 1);
            writeText(key);
            out += m_form.keySeparator;
            write(value, level + 1);
        };
        if (m_form.sortsKeys) {
            for (const auto& [key, place] : dict.index) {
                writeEntry(key, dict.entries[place].second);
            }
        } else {
            for (const auto& [key, value] : dict.entries) {
                writeEntry(key, value);
            }
        }
        newLine(level);
        out += '}';
    }

    const JsonForm& m_form;
    Budget& m_budget;
};

Value valueOfJson(const Json& json, const std::string& what)
{
    switch (json.type()) {
    case Json::value_t::boolean:
        return Value(json.get<bool>());
    case Json::value_t::number_integer:
        return Value(json.get<std::int64_t>());
    case Json::value_t::number_unsigned:
        if (json.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
            throw FormatError(what, {}, "the number " + json.dump() + " is larger than 64 bits");
        }
        return Value(json.get<std::int64_t>());
    case Json::value_t::number_float:
        return Value(json.get<double>());
    case Json::value_t::string:
        return Value(json.get<std::string>());
    case Json::value_t::array: {
        List list;
        for (const Json& item : json) {
            list.items.push_back(valueOfJson(item, what));
        }
        return Value(std::move(list));
    }
    case Json::value_t::object: {
        Dict dict;
        for (const auto& [key, item] : json.items()) {
            dict.set(key, valueOfJson(item, what));
        }
        return Value(std::move(dict));
    }
    default:
        return {};
    }
}

} // namespace

std::string textOf(const Value& value, Budget& budget)
{
    if (const std::string* text = value.string()) {
        return *text;
    }
    std::string text;
    if (!value.isUndefined()) {
        appendRepresentation(value, text, budget);
    }
    return text;
}

std::string jsonOf(const Value& value, const JsonForm& form, Budget& budget)
{
    JsonWriter writer(form, budget);
    writer.write(value, 0);
    return std::move(writer.out);
}

Dict dictOfJson(std::string_view json, const std::string& what)
{
    constexpr JsonLimits kLimits = {kTextBytes, 32};
    requireSoundJson(json, what, kLimits);
    const Json parsed = Json::parse(json);
    if (!parsed.is_object()) {
        throw FormatError(what, {}, "must be a JSON object");
    }
    const Value value = valueOfJson(parsed, what);
    return *value.dict();
}

} // namespace longlora::jinja
