// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/tokenizer.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace longlora {

/// A text that has an id of its own wherever it stands.
struct AddedToken {
    TokenId id = 0;
    std::string text;
    bool special = true;     ///< left out of decoded text
    bool stripLeft = false;  ///< swallows white space before it ("lstrip")
    bool stripRight = false; ///< swallows white space after it ("rstrip")
    bool normalized = false; ///< tokenizer.json: found in the text once that is normalised
    bool isDescribed = true; ///< false: only id and text are known, the rest is assumed
};

/// What `tokenizer_config.json` and `added_tokens.json` say beside the vocabulary. The defaults are
/// what their absence means.
struct TokenizerSettings {
    bool legacy = true;         ///< the dummy space stands before every text between special tokens
    std::optional<bool> addBos; ///< whether the model is fed BOS; empty: nothing is said
    bool addPrefixSpace = true; ///< not legacy: the dummy space stands before the first text
    std::optional<std::string> bosToken;
    std::optional<std::string> eosToken;
    std::optional<std::string> unkToken;
    std::vector<AddedToken> addedTokens; ///< by id
};

/// Reads both files of `folder`; either may be absent. Throws: FormatError, DataError.
TokenizerSettings readTokenizerSettings(const std::filesystem::path& folder);

} // namespace longlora
