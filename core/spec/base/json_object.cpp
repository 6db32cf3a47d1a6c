// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/json_object.h"

#include "core/spec/base/error.h"
#include "core/spec/base/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <set>
#include <utility>

namespace longlora {

namespace {

using Json = nlohmann::ordered_json;

/// What a message may carry on: printable and short.
std::string printable(std::string text)
{
    constexpr std::size_t kLongest = 200;
    if (text.size() > kLongest) {
        text = text.substr(0, kLongest) + "...";
    }
    for (char& c : text) {
        if (c < ' ' || c > '~') {
            c = '?';
        }
    }
    return text;
}

/// Looks at each event of the parser and keeps only the keys of the objects that are open.
class SoundnessCheck : public nlohmann::json_sax<Json> {
public:
    SoundnessCheck(const std::string& file, const JsonLimits& limits)
        : m_file(file)
        , m_limits(limits)
    {}

    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t value, const string_t&) override
    {
        if (!std::isfinite(value)) {
            throw FormatError(m_file, {}, "a number is not finite");
        }
        return true;
    }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool start_object(std::size_t) override { return open(); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override
    {
        if (!m_open.back().insert(name).second) {
            throw FormatError(m_file, "key " + printable(name), "the key stands twice",
                              "Remove one of the two.");
        }
        if (m_open.back().size() > m_limits.keys) {
            throw FormatError(m_file, "key " + printable(name),
                              fmt::format("an object has more than {} keys", m_limits.keys));
        }
        return true;
    }
    bool parse_error(std::size_t, const std::string&,
                     const nlohmann::json::exception& error) override
    {
        // "[json.exception.parse_error.101] parse error at line 2, column 7: what is wrong"
        const std::string text = printable(error.what());
        const std::size_t line = text.find("line ");
        const std::size_t colon = line == std::string::npos ? line : text.find(": ", line);
        if (colon == std::string::npos) {
            const std::size_t bracket = text.find("] ");
            throw FormatError(m_file, {},
                              bracket == std::string::npos ? text : text.substr(bracket + 2));
        }
        throw FormatError(m_file, text.substr(line, colon - line),
                          "not valid JSON: " + text.substr(colon + 2));
    }

private:
    bool open()
    {
        m_open.emplace_back();
        if (std::ssize(m_open) > m_limits.depth) {
            throw FormatError(m_file, {},
                              fmt::format("nested deeper than {} levels", m_limits.depth));
        }
        return true;
    }
    bool close()
    {
        m_open.pop_back();
        return true;
    }

    const std::string& m_file;
    const JsonLimits& m_limits;
    std::vector<std::set<std::string>> m_open;
};

/// "12", "\"text\"", "an object": a value as messages show it.
std::string shown(const Json& value)
{
    if (value.is_object() || value.is_array()) {
        return value.is_object() ? "an object" : "an array";
    }
    return printable(value.dump(-1, ' ', true, Json::error_handler_t::replace));
}

} // namespace

void requireSoundJson(std::string_view text, const std::string& file, const JsonLimits& limits)
{
    if (text.size() > limits.bytes) {
        throw FormatError(
            file, {}, "larger than the limit of " + formatBytes(static_cast<double>(limits.bytes)));
    }
    // The parser takes a zero byte for the end and would not see what stands behind it.
    if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
        throw FormatError(file, fmt::format("offset {}", zero), "not valid JSON: a zero byte");
    }
    SoundnessCheck check(file, limits);
    Json::sax_parse(text, &check);
}

struct JsonObject::Node {
    std::shared_ptr<const Json> document; ///< keeps `value` alive
    const Json* value = nullptr;          ///< an object inside the document
    std::string file;
    std::string path; ///< dotted, empty at the root

    std::string pathOf(std::string_view key) const
    {
        return path.empty() ? std::string(key) : path + "." + std::string(key);
    }
    const Json* find(std::string_view key) const
    {
        const auto at = value->find(std::string(key));
        return at == value->end() || at->is_null() ? nullptr : &*at;
    }
    [[noreturn]] void refuse(std::string_view key, const std::string& what, std::string hint) const
    {
        throw FormatError(file, "key " + printable(pathOf(key)), what, std::move(hint));
    }
    const Json& require(std::string_view key) const
    {
        const Json* found = find(key);
        if (found == nullptr) {
            refuse(key, "missing", {});
        }
        return *found;
    }
    std::int64_t integerIn(std::string_view key, const Json& number, std::int64_t minimum,
                           std::int64_t maximum) const
    {
        if (!number.is_number_integer()) {
            refuse(key, "must be a whole number, not " + shown(number), {});
        }
        const bool huge = number.is_number_unsigned() &&
                          number.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
        const std::int64_t result = huge ? 0 : number.get<std::int64_t>();
        if (huge || result < minimum || result > maximum) {
            refuse(key, fmt::format("{} is outside {} to {}", shown(number), minimum, maximum), {});
        }
        return result;
    }
};

JsonObject::JsonObject(std::shared_ptr<const Node> node)
    : m_node(std::move(node))
{}

JsonObject JsonObject::parse(std::string_view text, const std::string& file,
                             const JsonLimits& limits)
{
    requireSoundJson(text, file, limits);
    const auto document = std::make_shared<const Json>(Json::parse(text));
    if (!document->is_object()) {
        throw FormatError(file, {}, "must be a JSON object, not " + shown(*document));
    }
    return JsonObject(std::make_shared<const Node>(Node{document, document.get(), file, {}}));
}

bool JsonObject::has(std::string_view key) const
{
    return m_node->find(key) != nullptr;
}

std::vector<std::string> JsonObject::keys() const
{
    std::vector<std::string> names;
    for (const auto& item : m_node->value->items()) {
        names.push_back(item.key());
    }
    return names;
}

bool JsonObject::isObject(std::string_view key) const
{
    return has(key) && m_node->find(key)->is_object();
}

bool JsonObject::isArray(std::string_view key) const
{
    return has(key) && m_node->find(key)->is_array();
}

bool JsonObject::isString(std::string_view key) const
{
    return has(key) && m_node->find(key)->is_string();
}

bool JsonObject::isNumber(std::string_view key) const
{
    return has(key) && m_node->find(key)->is_number();
}

bool JsonObject::isBoolean(std::string_view key) const
{
    return has(key) && m_node->find(key)->is_boolean();
}

bool JsonObject::isOff(std::string_view key) const
{
    const Json* const value = m_node->find(key);
    if (value == nullptr || *value == false) {
        return true;
    }
    if (value->is_number()) {
        return value->get<double>() == 0.0;
    }
    return value->is_string() ? value->get_ref<const std::string&>().empty() : value->empty();
}

bool JsonObject::isSaid(std::string_view key) const
{
    return m_node->value->contains(std::string(key));
}

std::string JsonObject::valueText(std::string_view key) const
{
    const Json* const value = m_node->find(key);
    return value == nullptr ? "nothing" : shown(*value);
}

std::int64_t JsonObject::integer(std::string_view key, std::int64_t minimum,
                                 std::int64_t maximum) const
{
    return m_node->integerIn(key, m_node->require(key), minimum, maximum);
}

double JsonObject::number(std::string_view key, double minimum, double maximum) const
{
    const Json& value = m_node->require(key);
    if (!value.is_number()) {
        refuse(key, "must be a number, not " + shown(value));
    }
    const double result = value.get<double>();
    if (!(result >= minimum && result <= maximum)) {
        refuse(key, fmt::format("{} is outside {} to {}", shown(value), minimum, maximum));
    }
    return result;
}

bool JsonObject::boolean(std::string_view key) const
{
    const Json& value = m_node->require(key);
    if (!value.is_boolean()) {
        refuse(key, "must be true or false, not " + shown(value));
    }
    return value.get<bool>();
}

std::string JsonObject::text(std::string_view key) const
{
    const Json& value = m_node->require(key);
    if (!value.is_string()) {
        refuse(key, "must be a string, not " + shown(value));
    }
    return value.get<std::string>();
}

JsonObject JsonObject::object(std::string_view key) const
{
    const Json& value = m_node->require(key);
    if (!value.is_object()) {
        refuse(key, "must be an object, not " + shown(value));
    }
    return JsonObject(std::make_shared<const Node>(
        Node{m_node->document, &value, m_node->file, m_node->pathOf(key)}));
}

std::vector<std::int64_t> JsonObject::integers(std::string_view key, std::int64_t minimum,
                                               std::int64_t maximum) const
{
    const Json& value = m_node->require(key);
    if (!value.is_array()) {
        refuse(key, "must be an array, not " + shown(value));
    }
    std::vector<std::int64_t> numbers;
    for (const Json& element : value) {
        numbers.push_back(m_node->integerIn(key, element, minimum, maximum));
    }
    return numbers;
}

std::vector<std::string> JsonObject::texts(std::string_view key) const
{
    const Json& value = m_node->require(key);
    if (!value.is_array()) {
        refuse(key, "must be an array, not " + shown(value));
    }
    std::vector<std::string> strings;
    for (const Json& element : value) {
        if (!element.is_string()) {
            refuse(key, "must hold strings only, not " + shown(element));
        }
        strings.push_back(element.get<std::string>());
    }
    return strings;
}

std::vector<JsonObject> JsonObject::objects(std::string_view key) const
{
    const Json& value = m_node->require(key);
    if (!value.is_array()) {
        refuse(key, "must be an array, not " + shown(value));
    }
    std::vector<JsonObject> result;
    for (const Json& element : value) {
        const std::string name = fmt::format("{}[{}]", key, result.size());
        if (!element.is_object()) {
            refuse(name, "must be an object, not " + shown(element));
        }
        result.push_back(JsonObject(std::make_shared<const Node>(
            Node{m_node->document, &element, m_node->file, m_node->pathOf(name)})));
    }
    return result;
}

std::int64_t JsonObject::integerOr(std::string_view key, std::int64_t absent, std::int64_t minimum,
                                   std::int64_t maximum) const
{
    return has(key) ? integer(key, minimum, maximum) : absent;
}

double JsonObject::numberOr(std::string_view key, double absent, double minimum,
                            double maximum) const
{
    return has(key) ? number(key, minimum, maximum) : absent;
}

bool JsonObject::booleanOr(std::string_view key, bool absent) const
{
    return has(key) ? boolean(key) : absent;
}

std::string JsonObject::textOr(std::string_view key, std::string absent) const
{
    return has(key) ? text(key) : std::move(absent);
}

void JsonObject::refuse(std::string_view key, const std::string& what, std::string hint) const
{
    m_node->refuse(key, what, std::move(hint));
}

} // namespace longlora
