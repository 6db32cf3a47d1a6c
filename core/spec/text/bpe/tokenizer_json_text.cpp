// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/tokenizer_json_text.h"

#include "core/spec/base/error.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace longlora {

namespace {

using Json = nlohmann::json;

constexpr JsonLimits kLimits = {std::size_t{128} << 20, 24};
constexpr JsonLimits kRestLimits = {std::size_t{16} << 20, 24};
constexpr std::size_t kEntries = 2'100'000;
constexpr TokenId kLargestId = 2'100'000;

/// Listens to the parser: collects vocabulary and merges, and writes all else again.
class PartReader : public nlohmann::json_sax<Json> {
public:
    explicit PartReader(const std::string& file)
        : m_file(file)
    {}

    std::optional<TokenizerJsonText::Vocabulary> vocabulary;
    std::optional<TokenizerJsonText::Merges> merges;
    std::string rest;

    bool null() override { return value("null"); }
    bool boolean(bool flag) override { return value(flag ? "true" : "false"); }
    bool number_integer(number_integer_t number) override
    {
        return m_part == Part::Vocabulary ? token(number) : value(std::to_string(number));
    }
    bool number_unsigned(number_unsigned_t number) override
    {
        constexpr number_unsigned_t kAbove = kLargestId + 1;
        return m_part == Part::Vocabulary
                   ? token(static_cast<std::int64_t>(std::min(number, kAbove)))
                   : value(std::to_string(number));
    }
    bool number_float(number_float_t, const string_t& text) override { return value(text); }
    bool binary(binary_t&) override { return true; }
    bool string(string_t& text) override
    {
        if (m_part == Part::Merges) {
            return merge(text);
        }
        if (m_part == Part::Pair) {
            m_pair.push_back(std::move(text));
            return true;
        }
        return value(m_part == Part::None ? Json(text).dump() : "a string");
    }

    bool start_object(std::size_t) override
    {
        if (isAt("vocab")) {
            vocabulary.emplace();
            return begin(Part::Vocabulary);
        }
        return open('{', "an object");
    }
    bool end_object() override
    {
        if (m_part == Part::Vocabulary) {
            return end();
        }
        return close('}');
    }
    bool start_array(std::size_t) override
    {
        if (isAt("merges")) {
            merges.emplace();
            return begin(Part::Merges);
        }
        if (m_part == Part::Merges) {
            m_part = Part::Pair;
            m_pair.clear();
            return true;
        }
        // Of a vocabulary of another kind of model nothing is needed.
        if (m_part == Part::Skipped || isAt("vocab")) {
            m_skipped += m_part == Part::Skipped ? 1 : 0;
            if (m_skipped > kLimits.depth) {
                refuseDepth();
            }
            return m_part == Part::Skipped ? true : begin(Part::Skipped);
        }
        return open('[', "an array");
    }
    bool end_array() override
    {
        if (m_part == Part::Pair) {
            m_part = Part::Merges;
            return pair();
        }
        if (m_part == Part::Skipped && m_skipped > 0) {
            --m_skipped;
            return true;
        }
        if (m_part == Part::Merges || m_part == Part::Skipped) {
            return end();
        }
        return close(']');
    }
    bool key(string_t& name) override
    {
        if (m_part == Part::Vocabulary) {
            m_token = std::move(name);
            return true;
        }
        separate();
        rest += Json(name).dump() + ':';
        m_isAfterKey = true;
        m_path.back() = std::move(name);
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override
    {
        return false; // another reading of the text says where
    }

private:
    enum class Part { None, Vocabulary, Merges, Pair, Skipped };

    [[noreturn]] void refuse(const std::string& key, const std::string& what) const
    {
        throw FormatError(m_file, "key model." + key, what);
    }
    [[noreturn]] void refuseDepth() const
    {
        throw FormatError(m_file, {}, fmt::format("nested deeper than {} levels", kLimits.depth));
    }

    bool isAt(std::string_view name) const
    {
        return m_part == Part::None && m_isAfterKey && m_path.size() == 2 && m_path[0] == "model" &&
               m_path[1] == name;
    }

    bool begin(Part part)
    {
        write("true");
        m_part = part;
        return true;
    }
    bool end()
    {
        m_part = Part::None;
        return true;
    }

    bool token(std::int64_t id)
    {
        if (id < 0 || id > kLargestId) {
            refuse("vocab", fmt::format("id {} of token {} is not between 0 and {}", id,
                                        vocabulary->size(), kLargestId));
        }
        if (vocabulary->size() == kEntries) {
            refuse("vocab", "more than 2,100,000 tokens");
        }
        vocabulary->emplace_back(std::move(m_token), static_cast<TokenId>(id));
        return true;
    }

    std::string mergeName() const { return fmt::format("merges[{}]", merges->size()); }
    void addMerge(std::string left, std::string right)
    {
        if (merges->size() == kEntries) {
            refuse(mergeName(), "more than 2,100,000 merges");
        }
        merges->emplace_back(std::move(left), std::move(right));
    }
    /// "left right"
    bool merge(const std::string& text)
    {
        if (text.starts_with("#version")) {
            return true;
        }
        const std::size_t space = text.find(' ');
        if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
            refuse(mergeName(), "must be two tokens with one space between them");
        }
        addMerge(text.substr(0, space), text.substr(space + 1));
        return true;
    }
    bool pair()
    {
        if (m_pair.size() != 2) {
            refuse(mergeName(), fmt::format("must be two tokens, not {}", m_pair.size()));
        }
        addMerge(std::move(m_pair[0]), std::move(m_pair[1]));
        return true;
    }

    bool value(const std::string& text)
    {
        switch (m_part) {
        case Part::None:
            write(text);
            break;
        case Part::Vocabulary:
            refuse("vocab", fmt::format("the id of token {} must be a whole number, not {}",
                                        vocabulary->size(), text));
        case Part::Merges:
        case Part::Pair:
            refuse(mergeName(), "must be two tokens, not " + text);
        case Part::Skipped:
            break;
        }
        return true;
    }

    bool open(char bracket, const char* name)
    {
        if (m_part == Part::Skipped) {
            refuse("vocab", "an object inside an array");
        }
        if (m_part != Part::None) {
            return value(name);
        }
        write({&bracket, 1});
        m_path.emplace_back();
        m_needsComma = false;
        if (std::ssize(m_path) > kLimits.depth) {
            refuseDepth();
        }
        return true;
    }
    bool close(char bracket)
    {
        m_path.pop_back();
        rest += bracket;
        m_needsComma = true;
        return true;
    }

    void separate()
    {
        if (m_needsComma) {
            rest += ',';
        }
        if (rest.size() > kRestLimits.bytes) {
            throw FormatError(m_file, {}, "more than 16 MB beside the vocabulary and the merges");
        }
        m_needsComma = true;
    }
    void write(std::string_view text)
    {
        if (!m_isAfterKey) {
            separate();
        }
        m_isAfterKey = false;
        m_needsComma = true;
        rest += text;
    }

    const std::string& m_file;
    std::vector<std::string> m_path; ///< the key where each open object is; empty for arrays
    bool m_needsComma = false;
    bool m_isAfterKey = false;
    Part m_part = Part::None;
    int m_skipped = 0;               ///< arrays open inside what is skipped
    std::string m_token;             ///< whose id comes next
    std::vector<std::string> m_pair; ///< of the merge that is open
};

} // namespace

TokenizerJsonText readTokenizerJsonText(std::string_view text, const std::string& file)
{
    if (text.size() > kLimits.bytes) {
        throw FormatError(file, {}, "larger than the limit of 128 MB");
    }
    PartReader reader(file);
    // The parser takes a zero byte for the end.
    if (text.find('\0') != std::string_view::npos || !Json::sax_parse(text, &reader)) {
        requireSoundJson(text, file, {kLimits.bytes, kLimits.depth, kEntries});
        throw FormatError(file, {}, "not valid JSON");
    }
    return {std::move(reader.vocabulary), std::move(reader.merges),
            JsonObject::parse(reader.rest, file, kRestLimits)};
}

} // namespace longlora
