// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/data/jsonl_row.h"

#include "core/spec/base/error.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <set>
#include <vector>

namespace longlora {

namespace {

using Json = nlohmann::json;

constexpr int kDepth = 64;

class RowReader {
public:
    RowReader(std::int64_t vocabularySize, const std::string& file, const std::string& where)
        : m_vocabularySize(vocabularySize)
        , m_file(file)
        , m_where(where)
    {}

    JsonlRow read(std::string_view line) const
    {
        const Json row = parse(line);
        if (!row.is_object()) {
            fail("it is not a JSON object");
        }
        const bool hasText = row.contains("text");
        const bool hasIds = row.contains("input_ids");
        if (hasText == hasIds) {
            fail(hasText ? "it has both \"text\" and \"input_ids\""
                         : "it has neither \"text\" nor \"input_ids\"",
                 "Conversations and other layouts must be turned into \"text\" first.");
        }
        JsonlRow result;
        if (hasText) {
            result.text = readText(row["text"]);
        } else {
            result.document = readTokens(row);
        }
        return result;
    }

private:
    Json parse(std::string_view line) const
    {
        // The parser keeps the last of a repeated key and has no limit of depth: both are errors.
        std::set<std::string> keys;
        const auto guard = [&](int depth, Json::parse_event_t event, Json& value) {
            if (depth > kDepth) {
                fail("it is nested deeper than 64 levels");
            }
            if (event == Json::parse_event_t::key && depth == 1 &&
                !keys.insert(value.get<std::string>()).second) {
                fail(fmt::format("\"{}\" stands there twice", value.get<std::string>()));
            }
            return true;
        };
        try {
            return Json::parse(line, guard);
        } catch (const Json::parse_error& error) {
            fail(fmt::format("it is not valid JSON (byte {})", error.byte));
        }
    }

    std::string readText(const Json& value) const
    {
        if (!value.is_string()) {
            fail("\"text\" is not a string");
        }
        if (value.get_ref<const std::string&>().empty()) {
            fail("\"text\" is empty");
        }
        return value.get<std::string>();
    }

    TokenDocument readTokens(const Json& row) const
    {
        TokenDocument document;
        document.isWholeRow = true;
        const Json& ids = array(row, "input_ids");
        if (ids.empty()) {
            fail("\"input_ids\" is empty");
        }
        document.ids.reserve(ids.size());
        for (const Json& id : ids) {
            document.ids.push_back(static_cast<TokenId>(number(id, "input_ids", false)));
        }
        if (row.contains("labels") && !row["labels"].is_null()) {
            const Json& labels = array(row, "labels");
            if (labels.size() != ids.size()) {
                fail(fmt::format("it has {} labels for {} input_ids", labels.size(), ids.size()));
            }
            document.labels.reserve(labels.size());
            for (const Json& label : labels) {
                document.labels.push_back(number(label, "labels", true));
            }
        }
        return document;
    }

    const Json& array(const Json& row, const char* key) const
    {
        const Json& value = row[key];
        if (!value.is_array()) {
            fail(fmt::format("\"{}\" is not an array", key));
        }
        return value;
    }

    std::int64_t number(const Json& value, const char* key, bool mayIgnore) const
    {
        if (!value.is_number_integer()) {
            fail(fmt::format("\"{}\" holds something that is not an integer", key));
        }
        const bool huge = value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX;
        const std::int64_t id = huge ? INT64_MAX : value.get<std::int64_t>();
        if ((id < 0 || id >= m_vocabularySize) && !(mayIgnore && id == kIgnoredLabel)) {
            fail(fmt::format("\"{}\" holds {}, which is outside the vocabulary of {} tokens", key,
                             value.dump(), m_vocabularySize));
        }
        return id;
    }

    [[noreturn]] void fail(const std::string& what, const std::string& hint = {}) const
    {
        throw FormatError(m_file, m_where, what, hint);
    }

    std::int64_t m_vocabularySize;
    const std::string& m_file;
    const std::string& m_where;
};

} // namespace

JsonlRow readJsonlRow(std::string_view line, std::int64_t vocabularySize, const std::string& file,
                      const std::string& where)
{
    return RowReader(vocabularySize, file, where).read(line);
}

} // namespace longlora
