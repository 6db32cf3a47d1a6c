// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/bpe/merge_table.h"
#include "core/spec/text/bpe/word_cache.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace longlora {

/// "model" of `tokenizer.json`, as it is written.
struct BpeParts {
    std::vector<std::pair<std::string, TokenId>> vocabulary;
    std::vector<std::pair<std::string, std::string>> merges; ///< the first goes first
    std::optional<std::string> unkToken;                     ///< for characters that have no token
    bool fuseUnk = false;                                    ///< one for a run of them
    bool byteFallback = false; ///< they become their bytes, "<0x00>" to "<0xFF>"
    bool ignoreMerges = false; ///< a word that is a token stays whole
    bool isByteLevel = false;  ///< tokens are written in the byte alphabet
};

/// Byte-pair encoding of one word after another.
class BpeModel {
public:
    /// Memory that encode() uses again; one for each thread. May be used with one model only.
    struct Scratch {
        WordCache cache;
        MergeTable::Scratch merging;
        std::vector<TokenId> ids;
    };

    /// `file` names the source in messages. Throws: FormatError.
    BpeModel(BpeParts parts, const std::string& file);

    /// Appends the ids of `word`: any bytes at byte level, else UTF-8.
    void encode(std::string_view word, Scratch& scratch, std::vector<TokenId>& ids) const;

    /// By its text as the file writes it.
    std::optional<TokenId> idOf(std::string_view token) const;
    /// Null if no token has this id.
    const std::string* textOf(TokenId id) const;
    std::int64_t tokenCount() const { return static_cast<std::int64_t>(m_idByText.size()); }
    TokenId largestId() const { return static_cast<TokenId>(m_texts.size()) - 1; }

private:
    void addTokens(std::vector<std::pair<std::string, TokenId>> vocabulary,
                   const std::string& file);
    void addMerges(const BpeParts& parts, const std::string& file);
    void addJoin(TokenId left, TokenId right);
    void addSymbols(const BpeParts& parts, const std::string& file);
    std::optional<TokenId> symbolOf(char32_t character) const;
    std::optional<TokenId> wholeWord(std::string_view word) const;
    std::size_t segmentEnd(std::string_view word) const;
    void encodeSegment(std::string_view segment, Scratch& scratch, std::vector<TokenId>& ids) const;
    void symbolsOf(std::string_view segment, std::vector<TokenId>& symbols) const;
    struct Ends;
    Ends endsOf(std::string_view text, std::size_t offset) const;

    static constexpr TokenId kNone = -1;

    std::vector<std::string> m_texts; ///< by id; empty: none
    std::unordered_map<std::string_view, TokenId> m_idByText;
    std::unordered_map<std::string, TokenId> m_idByBytes; ///< byte level with ignoreMerges
    MergeTable m_merges;
    FlatMap<TokenId> m_symbols;       ///< by code point
    std::array<TokenId, 256> m_bytes; ///< byte level: of a byte; else with byteFallback
    FlatMap<char> m_joins;            ///< pairs of symbols that some merge brings together
    std::vector<bool> m_isByte;       ///< by id: a token of m_bytes
    bool m_mayCut = true;
    TokenId m_unk = kNone;
    bool m_fusesUnk = false;
    bool m_hasByteFallback = false;
    bool m_ignoresMerges = false;
    bool m_isByteLevel = false;
};

} // namespace longlora
