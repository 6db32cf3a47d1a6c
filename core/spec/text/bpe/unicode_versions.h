// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace longlora {

// The libraries that Hugging Face's tokenizers 0.23 is made of know different versions of Unicode:
// regular expressions 16, digits 17, normalisation 9. Ours (PCRE2, utf8proc) know others again, and
// not the same on every machine. These functions make ours answer as theirs do.

/// `text` (UTF-8) with each character that came with Unicode 15 to 16 replaced by an older one of
/// the same category and length in bytes, so that PCRE2 with older tables splits it alike, at the
/// same offsets. The result is `text` itself where there is none, else `buffer`.
std::string_view withOlderCharacters(std::string_view text, std::string& buffer);

/// General category Nd, Nl or No of Unicode 17.
bool isNumeric(char32_t codePoint);

/// Property White_Space: the same in all versions since 6.3.
bool isWhiteSpace(char32_t codePoint);

/// Came after Unicode 9 and takes part in normalisation since: left alone, as Unicode 9 does.
bool isNewInNormalization(char32_t codePoint);

} // namespace longlora
