// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/inspect/file_inspection.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/data/jsonl_row.h"
#include "core/spec/data/line_reader.h"
#include "core/spec/text/prompt_format.h"
#include "core/spec/text/tokenizer_file.h"
#include "core/spec/text/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string_view>

namespace longlora {

namespace fs = std::filesystem;

namespace {

std::int64_t bytesOf(const fs::path& file)
{
    return static_cast<std::int64_t>(fs::file_size(file));
}

/// Numbers of `width` bytes, the lowest byte first, read as a stream.
std::int64_t largestId(const fs::path& file, int width)
{
    std::ifstream stream(file, std::ios::binary);
    std::string block(std::size_t{1} << 20, '\0'); // a multiple of both widths
    std::uint32_t largest = 0;
    while (stream.read(block.data(), static_cast<std::streamsize>(block.size())),
           stream.gcount() > 0) {
        const auto whole = stream.gcount() / width * width;
        for (std::streamsize at = 0; at < whole; at += width) {
            std::uint32_t id = 0;
            for (int byte = width; byte-- > 0;) {
                id = id << 8U |
                     static_cast<unsigned char>(block[static_cast<std::size_t>(at + byte)]);
            }
            largest = std::max(largest, id);
        }
    }
    return largest;
}

/// How many rows of each kind a JSONL file has.
struct RowCounts {
    std::int64_t texts = 0;
    std::int64_t ids = 0;
    std::int64_t tokens = 0; ///< in rows of ids
    std::int64_t bytes = 0;  ///< in texts
    std::int64_t bad = 0;

    void count(const JsonlRow& row)
    {
        const bool isText = !row.text.empty();
        ++(isText ? texts : ids);
        tokens += std::ssize(row.document.ids);
        bytes += std::ssize(row.text);
    }
};

void addCounts(Inspection& result, const RowCounts& rows)
{
    result.add("text_rows", rows.texts);
    result.add("text_bytes", rows.bytes);
    result.add("token_rows", rows.ids);
    result.add("tokens_in_token_rows", rows.tokens);
    result.add("bad_rows", rows.bad);
}

} // namespace

Inspection inspectTokenFile(const fs::path& file)
{
    Inspection result;
    result.kind = "token file";
    const std::int64_t bytes = bytesOf(file);
    result.add("bytes", bytes);
    result.add("ids_if_uint16", bytes / 2);
    result.add("largest_id_if_uint16", largestId(file, 2));
    result.add("ids_if_uint32", bytes / 4);
    if (bytes % 4 == 0) {
        result.add("largest_id_if_uint32", largestId(file, 4));
    }
    if (bytes == 0) {
        result.problems.push_back(file.string() + " is empty");
    } else if (bytes % 2 != 0) {
        result.problems.push_back(file.string() +
                                  " has an odd number of bytes: its end is missing");
    }
    return result;
}

Inspection inspectJsonl(const fs::path& file, const ProgressCallback& progress)
{
    Inspection result;
    result.kind = "JSONL data";
    RowCounts rows;
    result.collect([&] {
        LineReader reader(file);
        const std::int64_t bytes = bytesOf(file);
        std::string line;
        while (reader.next(line)) {
            if (progress && !progress({"checking rows", reader.bytesRead(), bytes, "bytes"})) {
                throw Cancelled{};
            }
            if (line.find_first_not_of(" \t\r") == std::string::npos) {
                continue;
            }
            const std::size_t before = result.problems.size();
            result.collect([&] {
                rows.count(readJsonlRow(line, std::numeric_limits<std::int32_t>::max(),
                                        file.string(),
                                        fmt::format("line {}", reader.lineNumber())));
            });
            rows.bad += result.problems.size() > before ? 1 : 0;
        }
        if (rows.texts + rows.ids + rows.bad == 0) {
            throw DataError(file.string() + " has no rows");
        }
    });
    addCounts(result, rows);
    return result;
}

Inspection inspectText(const fs::path& file)
{
    constexpr std::uintmax_t kTextBytes = std::uintmax_t{1} << 30;
    Inspection result;
    result.kind = "text";
    result.collect([&] {
        const std::string text = readWholeFile(file, kTextBytes);
        result.add("bytes", std::ssize(text));
        result.add("lines", std::count(text.begin(), text.end(), '\n'));
        if (text.empty()) {
            throw DataError(file.string() + " is empty");
        }
        if (const auto offset = firstInvalidUtf8(text)) {
            throw DataError(
                fmt::format("{}, offset {}: the text is not UTF-8", file.string(), *offset),
                "Convert it, for example with iconv.");
        }
    });
    return result;
}

Inspection inspectTokenizer(const fs::path& path)
{
    Inspection result;
    result.kind = "tokenizer";
    const bool isFolder = fs::is_directory(path);
    const fs::path folder = isFolder ? path : path.parent_path();
    const bool isSentencePiece =
        isFolder ? fs::exists(path / "tokenizer.model") : path.filename() == "tokenizer.model";
    result.add("tokenizer", std::string(isSentencePiece ? "sentencepiece (tokenizer.model)"
                                                        : "byte-pair encoding (tokenizer.json)"));
    result.collect([&] {
        const std::unique_ptr<Tokenizer> tokenizer =
            isFolder ? loadTokenizer(path) : loadTokenizerFile(path);
        result.add("tokens", tokenizer->vocabularySize());
        const auto addToken = [&](const char* name, std::optional<TokenId> id) {
            if (id) {
                result.add(name, fmt::format("{} ({})", tokenizer->decode({&*id, 1}, true), *id));
            }
        };
        addToken("begin_of_text", tokenizer->bosId());
        addToken("end_of_text", tokenizer->eosId());
    });
    const PromptFormat format = PromptFormat::readOrPlain(folder);
    result.add("chat_template", !format.problem().empty() ? "cannot be used"
                                : format.isPlain()        ? "none"
                                                          : format.style());
    if (!format.problem().empty()) {
        result.warnings.push_back(format.problem());
    }
    return result;
}

} // namespace longlora
