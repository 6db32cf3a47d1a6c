// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/config/run_config.h"
#include "core/spec/text/tokenizer.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace longlora {

/// Not scored: the label of padding and of tokens that are only read.
inline constexpr std::int64_t kIgnoredLabel = -100;

/// One document as tokens. `labels` is empty when every token is scored.
struct TokenDocument {
    std::string source; ///< file, and line for JSONL
    std::vector<TokenId> ids;
    std::vector<std::int64_t> labels; ///< [ids.size()] or empty; labels[t] is the token at t
    bool isWholeRow = false;          ///< came as input_ids: used as it is, no BOS or EOS was added
};

/// Documents of one data file. TXT and MD are one document each (a BOM is removed, CRLF becomes
/// LF); JSONL one per line with "text" or "input_ids" (+ "labels"); a .bin token file is one
/// document. A folder stands for the .txt, .md and .jsonl files directly in it, sorted by name. BOS
/// and EOS surround text where the tokenizer has them; ids that come ready stay as they are.
/// `tokenizer` may be null when every row brings input_ids. `vocabularySize` bounds the ids.
/// Throws: DataError / FormatError with file and line: empty, not UTF-8, bad JSON, id out of range,
/// labels of another length, unreadable.
std::vector<TokenDocument> readDocuments(const std::filesystem::path& file, DataFormat format,
                                         const Tokenizer* tokenizer, std::int64_t vocabularySize,
                                         const ProgressCallback& progress);

/// What reading one file gave: a line of the data table.
struct DataFileSummary {
    std::string file;
    std::int64_t documents = 0;
    std::int64_t tokens = 0;
    std::vector<std::int64_t> documentLengths; ///< tokens, in file order
    std::string problem;                       ///< empty: fine; else one line
};
/// Like readDocuments, but problems are told instead of thrown. For the window's data table.
DataFileSummary summarizeDataFile(const std::filesystem::path& file, DataFormat format,
                                  const Tokenizer* tokenizer, std::int64_t vocabularySize,
                                  const ProgressCallback& progress);

} // namespace longlora
