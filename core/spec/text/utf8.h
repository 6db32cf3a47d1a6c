// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace longlora {

/// Length in bytes of the character that starts at `offset` (< text.size()); 0 if no valid one does
/// (overlong forms, surrogates and what lies above U+10FFFF are not valid).
/// Source: The Unicode Standard, table 3-7.
std::size_t utf8CharacterLength(std::string_view text, std::size_t offset);

/// Offset of the first byte that starts no valid character; empty if all of `text` is UTF-8.
std::optional<std::size_t> firstInvalidUtf8(std::string_view text);

} // namespace longlora
