// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/data/dataset.h"

#include <cstdint>
#include <string>
#include <vector>

namespace longlora {

/// A row of exactly the run's context length.
struct TrainingRow {
    std::vector<TokenId> ids;
    std::vector<std::int64_t> labels;         ///< kIgnoredLabel where not scored
    std::vector<std::int64_t> documentStarts; ///< ascending, first is 0; padding is a last document
    std::int64_t paddingTokens = 0;           ///< at the end
};

/// What packing did, exactly: nothing is cut or dropped silently.
struct PackingReport {
    std::int64_t documents = 0;
    std::int64_t tokens = 0; ///< in the documents
    std::int64_t rows = 0;
    std::int64_t cutDocuments = 0; ///< longer than a row, continued in further rows
    std::int64_t droppedTokens = 0;
    std::int64_t paddingTokens = 0;
};

struct PackedRows {
    std::vector<TrainingRow> rows;
    PackingReport report;
};

/// Documents: each row holds whole documents (best fit); one longer than a row is cut into pieces,
/// the last piece counts as a document of its own; rows are padded. A document's first token is not
/// scored. Stream: all documents in order, joined, cut every `length` tokens; what fills no row is
/// dropped and counted. A document that is a whole row already stays one.
/// Throws: DataError if not one row results (data shorter than one row), or none of its tokens is
/// scored.
PackedRows packRows(const std::vector<TokenDocument>& documents, std::int64_t length,
                    Packing packing, TokenId paddingId);

/// Which rows each step reads: a seeded permutation per epoch, every row once before any twice.
class RowOrder {
public:
    RowOrder(std::int64_t rowCount, std::int64_t seed);
    /// The next row's index.
    std::int64_t next();

private:
    void shuffle();
    std::vector<std::int64_t> m_order;
    std::size_t m_position = 0;
    std::int64_t m_epoch = 0;
    std::int64_t m_seed;
};

} // namespace longlora
