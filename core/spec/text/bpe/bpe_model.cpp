// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/bpe_model.h"

#include "core/spec/base/error.h"
#include "core/spec/text/bpe/byte_alphabet.h"
#include "core/spec/text/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace longlora {

namespace {

constexpr std::size_t kTokenBytes = 4096;

/// A token as messages show it: short, without control characters.
std::string shown(std::string_view token)
{
    constexpr std::size_t kLongest = 60;
    std::string text;
    for (const char c : token.substr(0, kLongest)) {
        text += c >= 0 && c < ' ' ? '?' : c;
    }
    std::string result = "\"";
    appendWithReplacements(result, text);
    return result + (token.size() > kLongest ? "...\"" : "\"");
}

std::uint64_t pairKey(TokenId left, TokenId right)
{
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
}

} // namespace

/// The symbols at both ends of a character's encoding.
struct BpeModel::Ends {
    TokenId first = kNone; ///< none: the character has no token
    TokenId last = kNone;
    std::size_t length = 0; ///< bytes of the character
};

BpeModel::BpeModel(BpeParts parts, const std::string& file)
    : m_merges(parts.merges.size())
    , m_joins(parts.merges.size())
    , m_fusesUnk(parts.fuseUnk)
    , m_hasByteFallback(parts.byteFallback)
    , m_ignoresMerges(parts.ignoreMerges)
    , m_isByteLevel(parts.isByteLevel)
{
    addTokens(std::move(parts.vocabulary), file);
    addSymbols(parts, file);
    addMerges(parts, file);
}

void BpeModel::addTokens(std::vector<std::pair<std::string, TokenId>> vocabulary,
                         const std::string& file)
{
    TokenId largest = kNone;
    for (const auto& [text, id] : vocabulary) {
        largest = std::max(largest, id);
    }
    if (largest == kNone) {
        throw FormatError(file, "key model.vocab", "the vocabulary is empty");
    }
    m_texts.resize(static_cast<std::size_t>(largest) + 1);
    m_idByText.reserve(vocabulary.size());
    for (auto& [text, id] : vocabulary) {
        if (text.empty() || text.size() > kTokenBytes) {
            throw FormatError(file, "key model.vocab",
                              fmt::format("token {} is empty or longer than 4,096 bytes", id));
        }
        std::string& place = m_texts[static_cast<std::size_t>(id)];
        if (!place.empty()) {
            throw FormatError(
                file, "key model.vocab",
                fmt::format("{} and {} both have id {}", shown(place), shown(text), id));
        }
        place = std::move(text);
        if (!m_idByText.try_emplace(place, id).second) {
            throw FormatError(file, "key model.vocab",
                              fmt::format("{} stands twice", shown(place)));
        }
        if (m_isByteLevel && m_ignoresMerges) {
            if (std::optional<std::string> bytes = bytesOfToken(place)) {
                m_idByBytes.try_emplace(*std::move(bytes), id);
            }
        }
    }
}

void BpeModel::addSymbols(const BpeParts& parts, const std::string& file)
{
    if (parts.unkToken) {
        const std::optional<TokenId> unk = idOf(*parts.unkToken);
        if (!unk) {
            throw FormatError(file, "key model.unk_token",
                              shown(*parts.unkToken) + " is not in the vocabulary");
        }
        m_unk = *unk;
    }
    for (const auto& [text, id] : m_idByText) {
        const auto [codePoint, length] = utf8CharacterAt(text, 0);
        if (length == text.size()) {
            m_symbols.set(codePoint, id);
        }
    }
    m_bytes.fill(kNone);
    m_isByte.resize(m_texts.size());
    for (std::size_t byte = 0; byte < m_bytes.size(); ++byte) {
        if (m_isByteLevel) {
            m_bytes[byte] =
                symbolOf(characterOfByte(static_cast<unsigned char>(byte))).value_or(kNone);
        } else if (m_hasByteFallback) {
            const std::string name = fmt::format("<0x{:02X}>", byte);
            const std::optional<TokenId> id = idOf(name);
            if (!id) {
                throw FormatError(file, "key model.byte_fallback",
                                  "the vocabulary has no token \"" + name + "\"");
            }
            m_bytes[byte] = *id;
            m_isByte[static_cast<std::size_t>(*id)] = true;
        }
    }
}

void BpeModel::addMerges(const BpeParts& parts, const std::string& file)
{
    for (std::size_t i = 0; i < parts.merges.size(); ++i) {
        const auto& [left, right] = parts.merges[i];
        const auto require = [&](const std::string& token) {
            if (const std::optional<TokenId> id = idOf(token)) {
                return *id;
            }
            throw FormatError(file, fmt::format("key model.merges[{}]", i),
                              shown(token) + " is not in the vocabulary");
        };
        const TokenId leftId = require(left);
        const TokenId rightId = require(right);
        m_merges.add(leftId, rightId, require(left + right), static_cast<std::uint32_t>(i));
        if (!m_isByteLevel) {
            addJoin(leftId, rightId);
        }
    }
}

/// Notes which symbols stand side by side where `left` and `right` meet.
void BpeModel::addJoin(TokenId left, TokenId right)
{
    const std::string& leftText = m_texts[static_cast<std::size_t>(left)];
    const std::string& rightText = m_texts[static_cast<std::size_t>(right)];
    const std::size_t last = utf8CharacterBefore(leftText, leftText.size());
    const std::optional<TokenId> lastSymbol = symbolOf(utf8CharacterAt(leftText, last).codePoint);
    const std::optional<TokenId> firstSymbol = symbolOf(utf8CharacterAt(rightText, 0).codePoint);
    // Merges of what is no character, "<0x0A>" or "<unk>", do not meet where their texts do.
    const auto isSpecial = [this](TokenId id) {
        return id == m_unk || m_isByte[static_cast<std::size_t>(id)];
    };
    m_mayCut = m_mayCut && !isSpecial(left) && !isSpecial(right);
    if (lastSymbol && firstSymbol) {
        m_joins.set(pairKey(*lastSymbol, *firstSymbol), 1);
    }
}

std::optional<TokenId> BpeModel::idOf(std::string_view token) const
{
    const auto found = m_idByText.find(token);
    return found == m_idByText.end() ? std::nullopt : std::optional(found->second);
}

const std::string* BpeModel::textOf(TokenId id) const
{
    const bool isKnown =
        id >= 0 && id <= largestId() && !m_texts[static_cast<std::size_t>(id)].empty();
    return isKnown ? &m_texts[static_cast<std::size_t>(id)] : nullptr;
}

std::optional<TokenId> BpeModel::symbolOf(char32_t character) const
{
    const TokenId* found = m_symbols.find(character);
    return found == nullptr ? std::nullopt : std::optional(*found);
}

std::optional<TokenId> BpeModel::wholeWord(std::string_view word) const
{
    if (word.size() > kTokenBytes) {
        return std::nullopt;
    }
    if (!m_isByteLevel) {
        return idOf(word);
    }
    const auto found = m_idByBytes.find(std::string(word));
    return found == m_idByBytes.end() ? std::nullopt : std::optional(found->second);
}

void BpeModel::encode(std::string_view word, Scratch& scratch, std::vector<TokenId>& ids) const
{
    if (m_isByteLevel) {
        encodeSegment(word, scratch, ids);
        return;
    }
    if (m_ignoresMerges) {
        if (const std::optional<TokenId> whole = wholeWord(word)) {
            ids.push_back(*whole);
            return;
        }
    }
    // A whole text may be one word here. It is cut where no merge can cross.
    while (!word.empty()) {
        const std::size_t end = segmentEnd(word);
        encodeSegment(word.substr(0, end), scratch, ids);
        word.remove_prefix(end);
    }
}

BpeModel::Ends BpeModel::endsOf(std::string_view text, std::size_t offset) const
{
    const auto [codePoint, length] = utf8CharacterAt(text, offset);
    if (const TokenId* symbol = m_symbols.find(codePoint)) {
        return {*symbol, *symbol, length};
    }
    const auto byteAt = [&](std::size_t i) {
        return m_bytes[static_cast<unsigned char>(text[offset + i])];
    };
    return {byteAt(0), byteAt(length - 1), length};
}

std::size_t BpeModel::segmentEnd(std::string_view word) const
{
    if (!m_mayCut) {
        return word.size();
    }
    Ends left = endsOf(word, 0);
    std::size_t at = left.length;
    while (at < word.size()) {
        const Ends right = endsOf(word, at);
        // What has no token may be fused with its neighbour, or leave a gap.
        if (left.last != kNone && right.first != kNone &&
            m_joins.find(pairKey(left.last, right.first)) == nullptr) {
            return at;
        }
        left = right;
        at += right.length;
    }
    return at;
}

void BpeModel::encodeSegment(std::string_view segment, Scratch& scratch,
                             std::vector<TokenId>& ids) const
{
    const std::span<const TokenId> known = scratch.cache.find(segment);
    if (!known.empty()) {
        ids.insert(ids.end(), known.begin(), known.end());
        return;
    }
    scratch.ids.clear();
    const std::optional<TokenId> whole =
        m_isByteLevel && m_ignoresMerges ? wholeWord(segment) : std::nullopt;
    if (whole) {
        scratch.ids.push_back(*whole);
    } else {
        symbolsOf(segment, scratch.ids);
        m_merges.apply(scratch.ids, scratch.merging);
    }
    scratch.cache.put(segment, scratch.ids);
    ids.insert(ids.end(), scratch.ids.begin(), scratch.ids.end());
}

void BpeModel::symbolsOf(std::string_view segment, std::vector<TokenId>& symbols) const
{
    bool followsUnknown = false;
    const auto addUnknown = [&] {
        if (m_unk != kNone && !(m_fusesUnk && followsUnknown)) {
            symbols.push_back(m_unk);
        }
        followsUnknown = true;
    };
    for (std::size_t i = 0; i < segment.size();) {
        if (m_isByteLevel) {
            const TokenId id = m_bytes[static_cast<unsigned char>(segment[i])];
            ++i;
            if (id == kNone) {
                addUnknown();
                continue;
            }
            symbols.push_back(id);
        } else {
            const auto [codePoint, length] = utf8CharacterAt(segment, i);
            if (const TokenId* symbol = m_symbols.find(codePoint)) {
                symbols.push_back(*symbol);
            } else if (m_hasByteFallback) {
                for (std::size_t byte = i; byte < i + length; ++byte) {
                    symbols.push_back(m_bytes[static_cast<unsigned char>(segment[byte])]);
                }
            } else {
                i += length;
                addUnknown();
                continue;
            }
            i += length;
        }
        followsUnknown = false;
    }
}

} // namespace longlora
