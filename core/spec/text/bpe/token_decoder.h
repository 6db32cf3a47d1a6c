// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/bpe/text_normalizer.h"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace longlora {

/// Tokens in the byte alphabet become text.
struct JoinByteLevel {};
/// "<0x41>" becomes its byte; bytes that make no character become U+FFFD each.
struct JoinBytes {};
struct FuseTokens {};
/// Takes up to so many `character` (UTF-8) from each end of each token.
struct StripTokens {
    std::string character;
    std::size_t start = 0;
    std::size_t stop = 0;
};
/// `symbol` becomes a space, or nothing in the first token.
struct MetaspaceToSpace {
    std::string symbol;
    bool dropsInFirst = true;
};
using DecoderStep =
    std::variant<JoinByteLevel, JoinBytes, FuseTokens, StripTokens, MetaspaceToSpace, ReplaceText>;

/// Makes a text of tokens: "decoder" of `tokenizer.json`. One deviation from Hugging Face's: of a
/// run of byte tokens that is not UTF-8 as a whole, the characters in it stay, as sentencepiece
/// keeps them. So what a stream has shown never changes.
class TokenDecoder {
public:
    /// Without steps the tokens are joined by spaces.
    explicit TokenDecoder(std::vector<DecoderStep> steps = {});
    std::string decode(std::vector<std::string> tokens) const;

private:
    std::vector<DecoderStep> m_steps;
};

} // namespace longlora
