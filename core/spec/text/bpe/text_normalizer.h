// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace longlora {

/// Canonical composition of Unicode 9 (see unicode_versions.h).
struct ComposeCanonically {};
/// Puts `text` before a text that is not empty.
struct PrependText {
    std::string text;
};
struct ReplaceText {
    std::string pattern; ///< not empty
    std::string content;
};
using NormalizerStep = std::variant<ComposeCanonically, PrependText, ReplaceText>;

/// What a tokenizer does to a text before it splits it: "normalizer" of `tokenizer.json`.
class TextNormalizer {
public:
    explicit TextNormalizer(std::vector<NormalizerStep> steps = {});

    bool isEmpty() const { return m_steps.empty(); }
    /// `text` is UTF-8. Throws: DataError if the result is unreasonably long.
    std::string normalize(std::string_view text) const;

private:
    std::vector<NormalizerStep> m_steps;
};

/// `text` (UTF-8) in normalisation form C of Unicode 9.
/// Source: The Unicode Standard, section 3.11.
std::string composedCanonically(std::string_view text);

/// `text` with each `pattern` in it replaced. Throws: DataError if the result is unreasonably long.
std::string withReplacements(std::string_view text, const ReplaceText& replacement);

} // namespace longlora
