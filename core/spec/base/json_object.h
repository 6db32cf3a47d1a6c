// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace longlora {

/// Bounds of a JSON text that comes from outside.
struct JsonLimits {
    std::size_t bytes = std::size_t{1} << 20;
    int depth = 16;
    std::size_t keys = 20'000; ///< in one object: finding one takes time in proportion
};

/// Checks that `text` is one JSON value inside `limits`, without duplicate keys and with finite
/// numbers only; after it any parser may read `text`. `file` names the source in messages.
/// Throws: FormatError with line and column, or the key that stands twice.
void requireSoundJson(std::string_view text, const std::string& file, const JsonLimits& limits);

/// A JSON object with typed getters that name file and key when something is wrong. Cheap to copy;
/// copies share the document. A key whose value is null counts as absent.
/// Throws: every getter FormatError if the key is absent, of another type or out of range.
class JsonObject {
public:
    /// Throws: FormatError if `text` is not a sound JSON object.
    static JsonObject parse(std::string_view text, const std::string& file,
                            const JsonLimits& limits = {});

    bool has(std::string_view key) const;
    /// In file order.
    std::vector<std::string> keys() const;

    bool isObject(std::string_view key) const;
    bool isArray(std::string_view key) const;
    bool isString(std::string_view key) const;
    bool isNumber(std::string_view key) const;
    bool isBoolean(std::string_view key) const;
    /// Absent, null, false, 0 or empty: a switch that is not on.
    bool isOff(std::string_view key) const;
    /// Whether the key stands there, be it with null.
    bool isSaid(std::string_view key) const;
    /// A value as messages show it: "12", "\"text\"", "an object", "an array", "nothing".
    std::string valueText(std::string_view key) const;

    std::int64_t integer(std::string_view key, std::int64_t minimum, std::int64_t maximum) const;
    double number(std::string_view key, double minimum, double maximum) const;
    bool boolean(std::string_view key) const;
    std::string text(std::string_view key) const;
    JsonObject object(std::string_view key) const;
    std::vector<std::int64_t> integers(std::string_view key, std::int64_t minimum,
                                       std::int64_t maximum) const;
    std::vector<std::string> texts(std::string_view key) const;
    /// Of an array of objects; they are named "key[0]" and on.
    std::vector<JsonObject> objects(std::string_view key) const;

    std::int64_t integerOr(std::string_view key, std::int64_t absent, std::int64_t minimum,
                           std::int64_t maximum) const;
    double numberOr(std::string_view key, double absent, double minimum, double maximum) const;
    bool booleanOr(std::string_view key, bool absent) const;
    std::string textOr(std::string_view key, std::string absent) const;

    /// For further checks of the caller. Throws: FormatError naming file and key.
    [[noreturn]] void refuse(std::string_view key, const std::string& what,
                             std::string hint = {}) const;

private:
    struct Node;
    explicit JsonObject(std::shared_ptr<const Node> node);
    std::shared_ptr<const Node> m_node;
};

} // namespace longlora
