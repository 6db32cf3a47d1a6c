// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

namespace longlora {

/// Finds the longest of a set of texts at a place of another text, without recursion.
class TokenTrie {
public:
    struct Match {
        std::size_t length = 0; ///< 0: none
        std::size_t index = 0;  ///< as given to insert()
    };

    TokenTrie();
    /// The first text of equal ones stays. Returns whether `text` was new.
    bool insert(std::string_view text, std::size_t index);
    /// The longest match that begins at `offset`.
    Match longestAt(std::string_view text, std::size_t offset) const;

private:
    static constexpr std::size_t kNone = SIZE_MAX;
    struct Node {
        std::map<char, std::size_t> children;
        std::size_t index = kNone;
    };
    std::vector<Node> m_nodes;
};

} // namespace longlora
