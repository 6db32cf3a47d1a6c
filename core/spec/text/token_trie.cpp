// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/token_trie.h"

namespace longlora {

TokenTrie::TokenTrie()
    : m_nodes(1)
{}

bool TokenTrie::insert(std::string_view text, std::size_t index)
{
    std::size_t node = 0;
    for (const char c : text) {
        const auto [child, isNew] = m_nodes[node].children.try_emplace(c, m_nodes.size());
        node = child->second;
        if (isNew) {
            m_nodes.emplace_back();
        }
    }
    const bool isNew = m_nodes[node].index == kNone;
    if (isNew) {
        m_nodes[node].index = index;
    }
    return isNew;
}

TokenTrie::Match TokenTrie::longestAt(std::string_view text, std::size_t offset) const
{
    Match match;
    std::size_t node = 0;
    for (std::size_t i = offset; i < text.size(); ++i) {
        const auto child = m_nodes[node].children.find(text[i]);
        if (child == m_nodes[node].children.end()) {
            break;
        }
        node = child->second;
        if (m_nodes[node].index != kNone) {
            match = {i - offset + 1, m_nodes[node].index};
        }
    }
    return match;
}

} // namespace longlora
