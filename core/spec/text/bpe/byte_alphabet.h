// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace longlora {

/// Byte-level vocabularies write each byte as a printable character: '!' to '~', U+00A1 to U+00AC
/// and U+00AE to U+00FF stand for themselves, the other bytes in order for U+0100 and on.
/// Source: Radford et al. 2019 (GPT-2), bytes_to_unicode of the published encoder.
char32_t characterOfByte(unsigned char byte);

/// The bytes that `token` (UTF-8) writes; empty if it has a character outside the alphabet.
std::optional<std::string> bytesOfToken(std::string_view token);

} // namespace longlora
