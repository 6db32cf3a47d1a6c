// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/json_object.h"
#include "core/spec/text/tokenizer.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace longlora {

/// `tokenizer.json` with its two long parts taken out, which may have millions of entries.
struct TokenizerJsonText {
    using Vocabulary = std::vector<std::pair<std::string, TokenId>>;
    using Merges = std::vector<std::pair<std::string, std::string>>;

    std::optional<Vocabulary> vocabulary; ///< if model.vocab is an object
    std::optional<Merges> merges;         ///< if model.merges is an array
    JsonObject rest;                      ///< everything; the two only as `true`
};

/// Reads `text` in one pass. Limits: 128 MB, 2,100,000 tokens and as many merges, 16 MB for the
/// rest, 24 levels, 20,000 keys in an object. Throws: FormatError with line and column, or the key.
TokenizerJsonText readTokenizerJsonText(std::string_view text, const std::string& file);

} // namespace longlora
