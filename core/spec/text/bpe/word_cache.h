// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/tokenizer.h"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace longlora {

/// The ids of short words met before. Of fixed size (2 MB): a new word takes an old one's place.
class WordCache {
public:
    /// Empty if `word` is not known; no word has no ids.
    std::span<const TokenId> find(std::string_view word) const;
    /// Does nothing for what is long.
    void put(std::string_view word, std::span<const TokenId> ids);

private:
    static constexpr std::size_t kKeyBytes = 30;
    static constexpr std::size_t kIds = 8;
    static constexpr std::size_t kWays = 4; ///< places where a word may be
    static constexpr std::size_t kSets = std::size_t{1} << 13;

    struct Entry {
        std::array<char, kKeyBytes> key;
        std::uint8_t keyBytes = 0;
        std::uint8_t idCount = 0;
        std::array<TokenId, kIds> ids;
    };
    struct Set {
        std::array<Entry, kWays> entries;
    };

    static std::size_t setOf(std::string_view word);

    std::vector<Set> m_sets = std::vector<Set>(kSets);
    std::size_t m_next = 0; ///< which way is replaced
};

} // namespace longlora
