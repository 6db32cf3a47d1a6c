// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/merge_table.h"

#include <algorithm>
#include <limits>

namespace longlora {

namespace {

// Up to so many symbols, looking at all of them for each merge is faster than a queue.
constexpr std::size_t kFew = 32;
constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
constexpr std::int32_t kNone = -1;
constexpr std::int32_t kMerged = -2;

/// For the heap, whose front is the largest: the candidate that goes first is.
bool goesLater(const MergeTable::Scratch::Candidate& left,
               const MergeTable::Scratch::Candidate& right)
{
    return left.rank != right.rank ? left.rank > right.rank : left.position > right.position;
}

} // namespace

void MergeTable::add(TokenId left, TokenId right, TokenId merged, std::uint32_t rank)
{
    const auto high = static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32;
    m_merges.set(high | static_cast<std::uint32_t>(right), {rank, merged});
}

const MergeTable::Merge* MergeTable::find(TokenId left, TokenId right) const
{
    const auto high = static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32;
    return m_merges.find(high | static_cast<std::uint32_t>(right));
}

void MergeTable::apply(std::vector<TokenId>& ids, Scratch& scratch) const
{
    if (ids.size() > kFew) {
        applyToMany(ids, scratch);
    } else if (ids.size() > 1) {
        applyToFew(ids, scratch);
    }
}

void MergeTable::applyToFew(std::vector<TokenId>& ids, Scratch& scratch) const
{
    std::vector<std::uint32_t>& ranks = scratch.ranks; // of each id with the one behind it
    const auto rankAt = [&](std::size_t i) {
        const Merge* merge = i + 1 < ids.size() ? find(ids[i], ids[i + 1]) : nullptr;
        return merge == nullptr ? kNoRank : merge->rank;
    };
    ranks.resize(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
        ranks[i] = rankAt(i);
    }
    while (ids.size() > 1) {
        const auto lowest = std::min_element(ranks.begin(), ranks.end());
        if (*lowest == kNoRank) {
            return;
        }
        const auto at = static_cast<std::size_t>(lowest - ranks.begin());
        ids[at] = find(ids[at], ids[at + 1])->merged;
        ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        ranks.erase(lowest);
        ranks[at] = rankAt(at);
        if (at > 0) {
            ranks[at - 1] = rankAt(at - 1);
        }
    }
}

void MergeTable::pushCandidate(std::int32_t position, Scratch& scratch) const
{
    const auto& symbol = scratch.symbols[static_cast<std::size_t>(position)];
    if (symbol.next < 0) {
        return;
    }
    const auto& right = scratch.symbols[static_cast<std::size_t>(symbol.next)];
    if (const Merge* merge = find(symbol.id, right.id)) {
        scratch.queue.push_back({merge->rank, static_cast<std::uint32_t>(position), merge->merged});
        std::push_heap(scratch.queue.begin(), scratch.queue.end(), goesLater);
    }
}

void MergeTable::applyToMany(std::vector<TokenId>& ids, Scratch& scratch) const
{
    auto& symbols = scratch.symbols;
    auto& queue = scratch.queue;
    symbols.clear();
    queue.clear();
    const auto count = static_cast<std::int32_t>(ids.size());
    for (std::int32_t i = 0; i < count; ++i) {
        symbols.push_back({ids[static_cast<std::size_t>(i)], i - 1, i + 1 < count ? i + 1 : kNone});
    }
    for (std::int32_t i = 0; i + 1 < count; ++i) {
        pushCandidate(i, scratch);
    }
    while (!queue.empty()) {
        const Scratch::Candidate candidate = queue.front();
        std::pop_heap(queue.begin(), queue.end(), goesLater);
        queue.pop_back();
        auto& left = symbols[candidate.position];
        if (left.next < 0) {
            continue;
        }
        auto& right = symbols[static_cast<std::size_t>(left.next)];
        // One of the two may have changed since: what they are now stands in the queue by itself.
        const Merge* merge = find(left.id, right.id);
        if (merge == nullptr || merge->merged != candidate.merged) {
            continue;
        }
        left.id = candidate.merged;
        left.next = right.next;
        right.next = kMerged;
        const auto position = static_cast<std::int32_t>(candidate.position);
        if (left.next >= 0) {
            symbols[static_cast<std::size_t>(left.next)].previous = position;
            pushCandidate(position, scratch);
        }
        if (left.previous >= 0) {
            pushCandidate(left.previous, scratch);
        }
    }
    ids.clear();
    for (const Scratch::Symbol& symbol : symbols) {
        if (symbol.next != kMerged) {
            ids.push_back(symbol.id);
        }
    }
}

} // namespace longlora
