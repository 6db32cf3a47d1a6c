// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/bpe/flat_map.h"
#include "core/spec/text/tokenizer.h"

#include <cstdint>
#include <vector>

namespace longlora {

/// The merges of byte-pair encoding: which two tokens side by side become one, and which first.
/// Source: Sennrich et al. 2016 (arXiv:1508.07909), sec. 3.2.
class MergeTable {
public:
    /// Memory that apply() uses again.
    struct Scratch {
        struct Symbol {
            TokenId id;
            std::int32_t previous; ///< index of the neighbour; -1: none
            std::int32_t next;     ///< -1: none; -2: merged into its left neighbour
        };
        struct Candidate {
            std::uint32_t rank;
            std::uint32_t position;
            TokenId merged;
        };
        std::vector<std::uint32_t> ranks;
        std::vector<Symbol> symbols;
        std::vector<Candidate> queue;
    };

    explicit MergeTable(std::size_t count = 0)
        : m_merges(count)
    {}

    /// `left` and `right` become `merged`; of all pairs the lowest rank goes first.
    void add(TokenId left, TokenId right, TokenId merged, std::uint32_t rank);

    /// Merges until no pair is left that can be: always the one of lowest rank, of equal ones the
    /// leftmost. Time: n log n.
    void apply(std::vector<TokenId>& ids, Scratch& scratch) const;

private:
    struct Merge {
        std::uint32_t rank = 0;
        TokenId merged = 0;
    };

    const Merge* find(TokenId left, TokenId right) const;
    void applyToFew(std::vector<TokenId>& ids, Scratch& scratch) const;
    void applyToMany(std::vector<TokenId>& ids, Scratch& scratch) const;
    void pushCandidate(std::int32_t position, Scratch& scratch) const;

    FlatMap<Merge> m_merges;
};

} // namespace longlora
