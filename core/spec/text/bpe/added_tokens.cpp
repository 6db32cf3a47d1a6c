// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/added_tokens.h"

#include "core/spec/text/bpe/unicode_versions.h"
#include "core/spec/text/utf8.h"

namespace longlora {

void AddedTokens::add(std::string text, const AddedToken& token)
{
    if (!text.empty() && m_trie.insert(text, m_tokens.size())) {
        m_firstBytes.set(static_cast<unsigned char>(text[0]));
        m_tokens.push_back(token);
    }
}

std::size_t AddedTokens::spaceBefore(std::string_view text, std::size_t offset, std::size_t least)
{
    while (offset > least) {
        const std::size_t before = utf8CharacterBefore(text, offset);
        if (!isWhiteSpace(utf8CharacterAt(text, before).codePoint)) {
            break;
        }
        offset = before;
    }
    return offset;
}

std::size_t AddedTokens::spaceAfter(std::string_view text, std::size_t offset)
{
    while (offset < text.size()) {
        const auto [codePoint, length] = utf8CharacterAt(text, offset);
        if (!isWhiteSpace(codePoint)) {
            break;
        }
        offset += length;
    }
    return offset;
}

} // namespace longlora
