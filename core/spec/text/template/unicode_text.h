// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace longlora::jinja {

// Texts as Python's str sees them: a row of characters. All texts are UTF-8.

/// str.isspace of one character.
bool isSpace(char32_t character);
/// `text` without the characters at its beginning, its end, that are in `characters`; without that
/// argument: that are spaces.
std::string_view strippedLeft(std::string_view text,
                              std::optional<std::string_view> characters = {});
std::string_view strippedRight(std::string_view text,
                               std::optional<std::string_view> characters = {});

std::size_t characterCount(std::string_view text);
/// The characters, each as a text.
std::vector<std::string_view> charactersOf(std::string_view text);

/// str.split without arguments, with a separator (not empty), from the right; str.splitlines.
/// At most `most` cuts unless it is negative.
std::vector<std::string_view> splitAtSpaces(std::string_view text, std::int64_t most);
std::vector<std::string_view> splitAt(std::string_view text, std::string_view separator,
                                      std::int64_t most);
std::vector<std::string_view> splitAtFromRight(std::string_view text, std::string_view separator,
                                               std::int64_t most);
std::vector<std::string_view> splitLines(std::string_view text);

enum class LetterCase { Lower, Upper, Title };
/// Each letter in another case; `Title` makes words with a capital. Throws: Failure for a letter
/// that becomes several, or depends on its neighbours.
std::string inCase(std::string_view text, LetterCase letterCase);
/// The first character as `Upper` (of words: Title), the others as `Lower`.
std::string capitalized(std::string_view text);

/// Appends what the string literal `body` means. Returns false and sets `problem` if it means
/// nothing.
bool unescape(std::string_view body, std::string& text, std::string& problem);

} // namespace longlora::jinja
