// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/token_trie.h"
#include "core/spec/text/tokenizer_settings.h"

#include <algorithm>
#include <bitset>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace longlora {

/// Finds texts that have ids of their own: at each place the longest, from left to right.
class AddedTokens {
public:
    /// Later texts that equal earlier ones are not found.
    void add(std::string text, const AddedToken& token);

    struct Part {
        std::string_view text;
        std::optional<TokenId> id; ///< of an added token
    };
    /// Calls `take` with the parts of `text` (UTF-8) in order; their texts may overlap where tokens
    /// swallow spaces that are tokens themselves.
    template <class Take>
    void split(std::string_view text, Take&& take) const
    {
        std::size_t begin = 0;
        for (std::size_t at = 0; at < text.size();) {
            const TokenTrie::Match match = matchAt(text, at);
            if (match.length == 0) {
                ++at;
                continue;
            }
            const AddedToken& token = m_tokens[match.index];
            const std::size_t start = token.stripLeft ? spaceBefore(text, at, begin) : at;
            at += match.length;
            // Up to `begin` there may be spaces that the token before has swallowed.
            const std::size_t end = token.stripRight ? spaceAfter(text, std::max(at, begin)) : at;
            if (begin < start) {
                take(Part{text.substr(begin, start - begin), {}});
            }
            take(Part{text.substr(start, end - start), token.id});
            begin = end;
        }
        if (begin < text.size()) {
            take(Part{text.substr(begin), {}});
        }
    }

private:
    TokenTrie::Match matchAt(std::string_view text, std::size_t offset) const
    {
        return m_firstBytes[static_cast<unsigned char>(text[offset])]
                   ? m_trie.longestAt(text, offset)
                   : TokenTrie::Match{};
    }
    static std::size_t spaceBefore(std::string_view text, std::size_t offset, std::size_t least);
    static std::size_t spaceAfter(std::string_view text, std::size_t offset);

    TokenTrie m_trie;
    std::bitset<256> m_firstBytes;
    std::vector<AddedToken> m_tokens;
};

} // namespace longlora
