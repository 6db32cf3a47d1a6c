// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/data/packing.h"

#include "core/spec/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <span>
#include <utility>

namespace longlora {

namespace {

/// A stretch of a document that stays together.
struct Piece {
    const TokenDocument* document = nullptr;
    std::size_t begin = 0;
    std::size_t size = 0;
};

/// Joins pieces into a row and pads it. The first token of each piece has nothing before it that
/// could predict it, so it is not scored.
TrainingRow joined(std::span<const Piece> pieces, std::size_t length, TokenId paddingId)
{
    TrainingRow row;
    row.ids.reserve(length);
    row.labels.reserve(length);
    for (const Piece& piece : pieces) {
        const TokenDocument& document = *piece.document;
        row.documentStarts.push_back(static_cast<std::int64_t>(row.ids.size()));
        for (std::size_t i = piece.begin; i < piece.begin + piece.size; ++i) {
            const bool scored = i > piece.begin;
            const std::int64_t label =
                document.labels.empty() ? document.ids[i] : document.labels[i];
            row.ids.push_back(document.ids[i]);
            row.labels.push_back(scored ? label : kIgnoredLabel);
        }
    }
    if (row.ids.size() < length) {
        row.documentStarts.push_back(static_cast<std::int64_t>(row.ids.size()));
        row.paddingTokens = static_cast<std::int64_t>(length - row.ids.size());
        row.ids.resize(length, paddingId);
        row.labels.resize(length, kIgnoredLabel);
    }
    return row;
}

class Packer {
public:
    Packer(std::size_t length, TokenId paddingId)
        : m_length(length)
        , m_paddingId(paddingId)
    {}

    PackedRows pack(const std::vector<TokenDocument>& documents, Packing packing)
    {
        for (const TokenDocument& document : documents) {
            ++m_packed.report.documents;
            m_packed.report.tokens += static_cast<std::int64_t>(document.ids.size());
            const Piece whole{&document, 0, document.ids.size()};
            if (whole.size == 0) {
                continue;
            }
            if (document.isWholeRow && whole.size == m_length) {
                m_rows.push_back({whole});
            } else if (packing == Packing::Documents) {
                cut(whole);
            } else {
                stream(whole);
            }
        }
        m_packed.report.droppedTokens = static_cast<std::int64_t>(m_streamed);
        placeLongestFirst();
        for (const std::vector<Piece>& row : m_rows) {
            m_packed.rows.push_back(joined(row, m_length, m_paddingId));
            m_packed.report.paddingTokens += m_packed.rows.back().paddingTokens;
        }
        m_packed.report.rows = static_cast<std::int64_t>(m_packed.rows.size());
        return std::move(m_packed);
    }

private:
    /// Full rows from a long document; what is left waits for a place.
    void cut(Piece piece)
    {
        m_packed.report.cutDocuments += piece.size > m_length ? 1 : 0;
        for (; piece.size >= m_length; piece.begin += m_length, piece.size -= m_length) {
            m_rows.push_back({{piece.document, piece.begin, m_length}});
        }
        if (piece.size > 0) {
            m_waiting.push_back(piece);
        }
    }

    /// Continues the row that is being filled with document after document.
    void stream(Piece piece)
    {
        m_packed.report.cutDocuments += m_streamed + piece.size > m_length ? 1 : 0;
        while (piece.size > 0) {
            const std::size_t size = std::min(piece.size, m_length - m_streamed);
            m_stream.push_back({piece.document, piece.begin, size});
            m_streamed += size;
            piece.begin += size;
            piece.size -= size;
            if (m_streamed == m_length) {
                m_rows.push_back(std::exchange(m_stream, {}));
                m_streamed = 0;
            }
        }
    }

    /// Best fit: each piece, the longest first, goes to the fullest row that has room for it.
    /// Rows stand in the order of their first documents, documents in a row in file order.
    void placeLongestFirst()
    {
        std::vector<std::size_t> order(m_waiting.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::ranges::stable_sort(order, [this](std::size_t a, std::size_t b) {
            return m_waiting[a].size > m_waiting[b].size;
        });
        std::vector<std::vector<std::size_t>> rows;
        std::multimap<std::size_t, std::size_t> rowsByRoom;
        for (const std::size_t index : order) {
            const std::size_t size = m_waiting[index].size;
            const auto found = rowsByRoom.lower_bound(size);
            const bool isNew = found == rowsByRoom.end();
            const std::size_t row = isNew ? rows.size() : found->second;
            const std::size_t room = (isNew ? m_length : found->first) - size;
            if (isNew) {
                rows.emplace_back();
            } else {
                rowsByRoom.erase(found);
            }
            rows[row].push_back(index);
            rowsByRoom.emplace(room, row);
        }
        for (std::vector<std::size_t>& row : rows) {
            std::ranges::sort(row);
        }
        std::ranges::sort(rows);
        for (const std::vector<std::size_t>& row : rows) {
            std::vector<Piece>& pieces = m_rows.emplace_back();
            for (const std::size_t index : row) {
                pieces.push_back(m_waiting[index]);
            }
        }
    }

    std::size_t m_length;
    TokenId m_paddingId;
    std::vector<std::vector<Piece>> m_rows;
    std::vector<Piece> m_waiting; ///< shorter than a row
    std::vector<Piece> m_stream;  ///< the row being filled
    std::size_t m_streamed = 0;   ///< tokens in it
    PackedRows m_packed;
};

bool scoresAnything(const PackedRows& packed)
{
    return std::ranges::any_of(packed.rows, [](const TrainingRow& row) {
        return std::ranges::any_of(row.labels,
                                   [](std::int64_t label) { return label != kIgnoredLabel; });
    });
}

/// A number in [0, limit), each equally likely. Own, because the standard library's distributions
/// differ from one implementation to the next.
std::uint64_t drawBelow(std::mt19937_64& generator, std::uint64_t limit)
{
    constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t fair = kLargest - kLargest % limit;
    std::uint64_t number = generator();
    while (number >= fair) {
        number = generator();
    }
    return number % limit;
}

} // namespace

PackedRows packRows(const std::vector<TokenDocument>& documents, std::int64_t length,
                    Packing packing, TokenId paddingId)
{
    assert(length > 0);
    PackedRows packed =
        Packer(static_cast<std::size_t>(length), paddingId).pack(documents, packing);
    if (packed.report.tokens < length) {
        throw DataError(fmt::format("The data has {} tokens, which do not fill one row of {}",
                                    packed.report.tokens, length),
                        "Add data or shorten context.length.");
    }
    if (!scoresAnything(packed)) {
        throw DataError(
            fmt::format("None of the {} tokens of the data is scored", packed.report.tokens),
            "Give documents of two tokens or more, with labels other than -100.");
    }
    return packed;
}

RowOrder::RowOrder(std::int64_t rowCount, std::int64_t seed)
    : m_order(static_cast<std::size_t>(rowCount))
    , m_seed(seed)
{
    assert(rowCount > 0);
    shuffle();
}

std::int64_t RowOrder::next()
{
    if (m_position == m_order.size()) {
        m_position = 0;
        ++m_epoch;
        shuffle();
    }
    return m_order[m_position++];
}

void RowOrder::shuffle()
{
    // An epoch's order depends on seed and epoch alone, not on the epochs before it.
    constexpr std::uint64_t kGoldenRatio = 0x9E3779B97F4A7C15U;
    std::mt19937_64 generator(static_cast<std::uint64_t>(m_seed) +
                              kGoldenRatio * (static_cast<std::uint64_t>(m_epoch) + 1));
    std::iota(m_order.begin(), m_order.end(), std::int64_t{0});
    for (std::size_t i = m_order.size(); i > 1; --i) {
        std::swap(m_order[i - 1], m_order[drawBelow(generator, i)]);
    }
}

} // namespace longlora
