// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/data/dataset.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/data/jsonl_row.h"
#include "core/spec/data/line_reader.h"
#include "core/spec/data/token_file.h"
#include "core/spec/text/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

namespace longlora {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kTextBytes = std::uintmax_t{1} << 30;

struct Extension {
    const char* suffix;
    DataFormat format;
};
constexpr std::array<Extension, 6> kExtensions = {{{".txt", DataFormat::Text},
                                                   {".text", DataFormat::Text},
                                                   {".md", DataFormat::Markdown},
                                                   {".markdown", DataFormat::Markdown},
                                                   {".jsonl", DataFormat::Jsonl},
                                                   {".bin", DataFormat::Tokens}}};

std::string lowerCaseExtension(const fs::path& file)
{
    std::string extension = file.extension().string();
    std::ranges::transform(extension, extension.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return extension;
}

/// Auto when the extension says nothing.
DataFormat formatOf(const fs::path& file)
{
    const std::string extension = lowerCaseExtension(file);
    const auto known = std::ranges::find(kExtensions, extension, &Extension::suffix);
    return known == kExtensions.end() ? DataFormat::Auto : known->format;
}

DataFormat formatOrThrow(const fs::path& file)
{
    const DataFormat format = formatOf(file);
    if (format != DataFormat::Auto) {
        return format;
    }
    constexpr std::array<std::string_view, 11> kConvertible = {".pdf",     ".epub", ".docx", ".odt",
                                                               ".html",    ".htm",  ".rtf",  ".doc",
                                                               ".parquet", ".json", ".csv"};
    const std::string extension = lowerCaseExtension(file);
    const bool convertible = std::ranges::find(kConvertible, extension) != kConvertible.end();
    throw DataError(
        fmt::format("{}: training data is read from .txt, .md, .jsonl and .bin (token ids) files",
                    file.string()),
        convertible ? fmt::format("Convert the {} file to text or JSONL first.", extension)
                    : "Rename it if it is one of these, or set data.format.");
}

/// Reads one file; counts bytes for the reader of the progress.
class FileReader {
public:
    FileReader(const Tokenizer* tokenizer, std::int64_t vocabularySize,
               const ProgressCallback& progress, std::int64_t totalBytes)
        : m_tokenizer(tokenizer)
        , m_vocabularySize(vocabularySize)
        , m_progress(progress)
        , m_totalBytes(totalBytes)
    {}

    void read(const fs::path& file, DataFormat format)
    {
        report(0);
        switch (format == DataFormat::Auto ? formatOrThrow(file) : format) {
        case DataFormat::Jsonl:
            readJsonl(file);
            break;
        case DataFormat::Tokens:
            m_documents.push_back(
                {file.string(), readTokenFile(file, m_vocabularySize), {}, false});
            break;
        default:
            readText(file);
            break;
        }
        std::error_code error;
        const std::uintmax_t size = fs::file_size(file, error);
        m_bytesBefore += error ? 0 : static_cast<std::int64_t>(size);
        report(0);
    }

    std::vector<TokenDocument> takeDocuments() { return std::move(m_documents); }

private:
    void readText(const fs::path& file)
    {
        std::string text = readWholeFile(file, kTextBytes);
        checkEncoding(text, file);
        constexpr std::string_view kBom = "\xEF\xBB\xBF";
        if (text.starts_with(kBom)) {
            text.erase(0, kBom.size());
        }
        removeCarriageReturns(text);
        if (text.empty()) {
            throw DataError(file.string() + " is empty");
        }
        addText(text, file.string());
    }

    void readJsonl(const fs::path& file)
    {
        const std::string name = file.string();
        LineReader reader(file);
        std::size_t rows = 0;
        for (std::string line; reader.next(line);) {
            if (line.find_first_not_of(" \t") == std::string::npos) {
                continue;
            }
            const std::string where = fmt::format("line {}", reader.lineNumber());
            JsonlRow row = readJsonlRow(line, m_vocabularySize, name, where);
            const std::string source = name + ", " + where;
            if (row.text.empty()) {
                row.document.source = source;
                m_documents.push_back(std::move(row.document));
            } else {
                addText(row.text, source);
            }
            ++rows;
            report(reader.bytesRead());
        }
        if (rows == 0) {
            throw DataError(name + " is empty");
        }
    }

    void addText(const std::string& text, const std::string& source)
    {
        if (m_tokenizer == nullptr) {
            throw DataError(source + " is text, but the model has no tokenizer",
                            "Use a model with a tokenizer, or rows of input_ids.");
        }
        TokenDocument document;
        document.source = source;
        document.ids = m_tokenizer->encode(text, true);
        if (const std::optional<TokenId> eos = m_tokenizer->eosId()) {
            document.ids.push_back(*eos);
        }
        for (const TokenId id : document.ids) {
            if (id >= m_vocabularySize) {
                throw DataError(
                    fmt::format("{}: the tokenizer gives id {}, but the model has {} embeddings",
                                source, id, m_vocabularySize),
                    "Use the tokenizer that came with the model.");
            }
        }
        m_documents.push_back(std::move(document));
    }

    static void checkEncoding(std::string_view text, const fs::path& file)
    {
        if (const std::optional<std::size_t> offset = firstInvalidUtf8(text)) {
            const bool utf16 = text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
            throw FormatError(file.string(), fmt::format("offset {}", *offset),
                              fmt::format("byte 0x{:02X} is not UTF-8",
                                          static_cast<unsigned char>(text[*offset])),
                              utf16 ? "It looks like UTF-16; convert the file to UTF-8."
                                    : "Convert the file to UTF-8.");
        }
        if (const std::size_t offset = text.find('\0'); offset != std::string_view::npos) {
            throw FormatError(file.string(), fmt::format("offset {}", offset),
                              "there is a NUL byte: this is no text", "Convert the file to UTF-8.");
        }
    }

    static void removeCarriageReturns(std::string& text)
    {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text[i] != '\r' || i + 1 == text.size() || text[i + 1] != '\n') {
                text[kept++] = text[i];
            }
        }
        text.resize(kept);
    }

    void report(std::int64_t bytesOfFile) const
    {
        if (m_progress &&
            !m_progress({"reading data", m_bytesBefore + bytesOfFile, m_totalBytes, "bytes"})) {
            throw Cancelled{};
        }
    }

    const Tokenizer* m_tokenizer;
    std::int64_t m_vocabularySize;
    const ProgressCallback& m_progress;
    std::int64_t m_totalBytes;
    std::int64_t m_bytesBefore = 0;
    std::vector<TokenDocument> m_documents;
};

/// The files that `path` stands for: itself, or the data files directly in it.
std::vector<fs::path> filesOf(const fs::path& path, DataFormat format)
{
    std::error_code error;
    if (!fs::is_directory(path, error)) {
        return {path};
    }
    std::vector<fs::path> files;
    for (fs::directory_iterator entry(path, error), end; !error && entry != end;
         entry.increment(error)) {
        const DataFormat own = formatOf(entry->path());
        // Among other files of a folder, .bin is rarely a list of tokens.
        const bool wanted = format == DataFormat::Auto
                                ? own != DataFormat::Auto && own != DataFormat::Tokens
                                : own == format;
        if (wanted && entry->is_regular_file()) {
            files.push_back(entry->path());
        }
    }
    if (error) {
        throw DataError(fmt::format("Cannot list {}: {}", path.string(), error.message()));
    }
    if (files.empty()) {
        throw DataError("The folder " + path.string() + " holds no .txt, .md or .jsonl file");
    }
    std::ranges::sort(files);
    return files;
}

} // namespace

std::vector<TokenDocument> readDocuments(const fs::path& file, DataFormat format,
                                         const Tokenizer* tokenizer, std::int64_t vocabularySize,
                                         const ProgressCallback& progress)
{
    const std::vector<fs::path> files = filesOf(file, format);
    std::uintmax_t bytes = 0;
    for (const fs::path& each : files) {
        std::error_code error;
        const std::uintmax_t size = fs::file_size(each, error);
        bytes += error ? 0 : size;
    }
    FileReader reader(tokenizer, vocabularySize, progress, static_cast<std::int64_t>(bytes));
    for (const fs::path& each : files) {
        reader.read(each, format);
    }
    return reader.takeDocuments();
}

DataFileSummary summarizeDataFile(const fs::path& file, DataFormat format,
                                  const Tokenizer* tokenizer, std::int64_t vocabularySize,
                                  const ProgressCallback& progress)
{
    DataFileSummary summary;
    summary.file = file.string();
    try {
        for (const TokenDocument& document :
             readDocuments(file, format, tokenizer, vocabularySize, progress)) {
            const auto length = static_cast<std::int64_t>(document.ids.size());
            ++summary.documents;
            summary.tokens += length;
            summary.documentLengths.push_back(length);
        }
    } catch (const Error& error) {
        summary.problem = error.describe();
    }
    return summary;
}

} // namespace longlora
