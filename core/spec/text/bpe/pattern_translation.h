// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace longlora {

/// A regular expression of `tokenizer.json`, which Oniguruma understands, written for PCRE2 (UTF,
/// UCP, MULTILINE) so that both find the same.
///
/// What they read differently is translated (`\s`, `.`, `\p{Han}`, `\v`, literals) or refused:
/// set operations and brackets inside classes, `\w`, `\b`, `\h`, inline flags, `(?i)` beyond ASCII
/// or where one letter folds to two, `{,n}`, a sign after braces, backreferences, conditions.
/// What published patterns use is all there: see the tests.
/// Throws: DataError that says what is not supported and where.
std::string pcrePatternOf(std::string_view pattern);

} // namespace longlora
