// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace longlora {

/// Length in bytes of the character that starts at `offset` (< text.size()); 0 if no valid one does
/// (overlong forms, surrogates and what lies above U+10FFFF are not valid).
/// Source: The Unicode Standard, table 3-7.
std::size_t utf8CharacterLength(std::string_view text, std::size_t offset);

/// Offset of the first byte that starts no valid character; empty if all of `text` is UTF-8.
std::optional<std::size_t> firstInvalidUtf8(std::string_view text);

struct Utf8Character {
    char32_t codePoint = 0;
    std::size_t length = 0; ///< bytes
};

/// The character that starts at `offset` of `text`, which is UTF-8.
Utf8Character utf8CharacterAt(std::string_view text, std::size_t offset);

/// Where the character before `offset` (> 0) of `text`, which is UTF-8, starts.
std::size_t utf8CharacterBefore(std::string_view text, std::size_t offset);

/// Appends `codePoint`, which is not a surrogate and at most U+10FFFF.
void appendUtf8(std::string& text, char32_t codePoint);

/// Appends `bytes` with U+FFFD for what is not UTF-8: one for each longest beginning of a character
/// that goes no further, and for each byte that begins none.
/// Source: The Unicode Standard, section 3.9, "U+FFFD substitution of maximal subparts".
void appendWithReplacements(std::string& text, std::string_view bytes);

} // namespace longlora
