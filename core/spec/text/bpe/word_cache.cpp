// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/word_cache.h"

#include <algorithm>
#include <cstring>

namespace longlora {

std::size_t WordCache::setOf(std::string_view word)
{
    std::uint64_t hash = word.size();
    while (!word.empty()) {
        std::uint64_t block = 0;
        const std::size_t count = std::min(word.size(), sizeof(block));
        std::memcpy(&block, word.data(), count);
        hash = (hash ^ block) * 0x9E3779B97F4A7C15;
        hash ^= hash >> 32;
        word.remove_prefix(count);
    }
    return hash % kSets;
}

std::span<const TokenId> WordCache::find(std::string_view word) const
{
    if (word.size() > kKeyBytes) {
        return {};
    }
    for (const Entry& entry : m_sets[setOf(word)].entries) {
        if (entry.keyBytes == word.size() &&
            std::memcmp(entry.key.data(), word.data(), word.size()) == 0) {
            return {entry.ids.data(), entry.idCount};
        }
    }
    return {};
}

void WordCache::put(std::string_view word, std::span<const TokenId> ids)
{
    if (word.empty() || word.size() > kKeyBytes || ids.empty() || ids.size() > kIds) {
        return;
    }
    Entry& entry = m_sets[setOf(word)].entries[m_next++ % kWays];
    std::copy(word.begin(), word.end(), entry.key.begin());
    entry.keyBytes = static_cast<std::uint8_t>(word.size());
    std::copy(ids.begin(), ids.end(), entry.ids.begin());
    entry.idCount = static_cast<std::uint8_t>(ids.size());
}

} // namespace longlora
