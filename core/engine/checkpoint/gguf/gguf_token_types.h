// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/sentencepiece_gate.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace longlora {

/// "tokenizer.ggml.token_type", numbered as in the format, which takes them from sentencepiece.
enum class TokenType : std::int32_t { Normal = 1, Unknown, Control, UserDefined, Unused, Byte };

inline PieceType pieceTypeOf(TokenType type)
{
    return static_cast<PieceType>(type);
}
inline TokenType tokenTypeOf(PieceType type)
{
    return static_cast<TokenType>(type);
}

/// A token that is found in a text before it is segmented, or is no text at all.
inline bool isAdded(TokenType type)
{
    return type == TokenType::Unknown || type == TokenType::Control ||
           type == TokenType::UserDefined;
}

/// The name of a row that no token belongs to.
inline std::string fillerName(std::size_t id)
{
    return "[PAD" + std::to_string(id) + "]";
}
inline bool isFiller(const std::string& token, std::size_t id, TokenType type)
{
    return type == TokenType::Unused && token == fillerName(id);
}

/// Whether the tokenizer puts the dummy space before every text between special tokens. GGUF has no
/// place for it; this key is ours.
inline constexpr const char* kLegacyKey = "longlora.tokenizer.legacy";

inline std::string replaced(std::string text, std::string_view what, std::string_view with)
{
    for (std::size_t at = text.find(what); at != std::string::npos;
         at = text.find(what, at + with.size())) {
        text.replace(at, what.size(), with);
    }
    return text;
}
inline constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81"; // U+2581, a space within pieces
inline std::string withSpaces(const std::string& text)
{
    return replaced(text, kSpaceSymbol, " ");
}
inline std::string withSpaceSymbols(const std::string& text)
{
    return replaced(text, " ", kSpaceSymbol);
}

} // namespace longlora
