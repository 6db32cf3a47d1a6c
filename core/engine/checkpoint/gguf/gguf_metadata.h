// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace longlora {

/// Types of metadata, numbered as in the format.
enum class GgufValueType : std::uint32_t {
    Uint8,
    Int8,
    Uint16,
    Int16,
    Uint32,
    Int32,
    Float32,
    Bool,
    String,
    Array,
    Uint64,
    Int64,
    Float64,
};

/// One value of the metadata. Whole numbers and booleans are kept as std::int64_t (those of 64 bits
/// without sign by their bits), the others as double.
struct GgufValue {
    GgufValueType type = GgufValueType::Bool; ///< of its elements if it is an array
    std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>,
                 std::vector<std::string>>
        data;
    std::uint64_t offset = 0; ///< in the file; 0: not from a file

    bool isArray() const noexcept { return data.index() >= 3; }

    static GgufValue uint32(std::int64_t value) { return {GgufValueType::Uint32, value}; }
    static GgufValue float32(double value) { return {GgufValueType::Float32, value}; }
    static GgufValue boolean(bool value) { return {GgufValueType::Bool, std::int64_t{value}}; }
    static GgufValue text(std::string value) { return {GgufValueType::String, std::move(value)}; }
};

/// The metadata of a GGUF file: keys and values in file order, with typed getters that name file
/// and key when something is wrong.
/// Throws: every getter FormatError if the key is absent, of another type or out of range.
class GgufMetadata {
public:
    /// `file` names the source in messages.
    explicit GgufMetadata(std::string file = {})
        : m_file(std::move(file))
    {}

    const std::string& file() const noexcept { return m_file; }
    /// False: the key stands there already.
    bool add(std::string key, GgufValue value);
    const std::vector<std::pair<std::string, GgufValue>>& entries() const noexcept
    {
        return m_entries;
    }

    bool has(std::string_view key) const { return find(key) != nullptr; }
    /// Nullptr: absent.
    const GgufValue* find(std::string_view key) const;

    std::string text(std::string_view key) const;
    std::int64_t integer(std::string_view key, std::int64_t minimum, std::int64_t maximum) const;
    /// A number of 32 bits becomes the shortest decimal that stands for it: 1e-5, not
    /// 9.99999974737875e-06.
    double number(std::string_view key, double minimum, double maximum) const;
    bool boolean(std::string_view key) const;
    const std::vector<std::string>& texts(std::string_view key) const;
    const std::vector<std::int64_t>& integers(std::string_view key) const;
    const std::vector<double>& numbers(std::string_view key) const;

    std::string textOr(std::string_view key, std::string absent) const;
    std::int64_t integerOr(std::string_view key, std::int64_t absent, std::int64_t minimum,
                           std::int64_t maximum) const;
    double numberOr(std::string_view key, double absent, double minimum, double maximum) const;
    bool booleanOr(std::string_view key, bool absent) const;

    /// For further checks of the caller. Throws: FormatError naming file, key and offset.
    [[noreturn]] void refuse(std::string_view key, const std::string& what,
                             std::string hint = {}) const;

private:
    const GgufValue& get(std::string_view key) const;

    std::string m_file;
    std::vector<std::pair<std::string, GgufValue>> m_entries;
    std::map<std::string, std::size_t, std::less<>> m_places;
};

} // namespace longlora
