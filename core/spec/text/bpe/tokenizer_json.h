// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/bpe/bpe_model.h"
#include "core/spec/text/bpe/pre_tokenizer.h"
#include "core/spec/text/bpe/text_normalizer.h"
#include "core/spec/text/bpe/token_decoder.h"
#include "core/spec/text/tokenizer_settings.h"

#include <string>
#include <string_view>
#include <vector>

namespace longlora {

/// What a `tokenizer.json` of a byte-pair encoding says.
struct TokenizerJson {
    BpeParts model;
    std::vector<AddedToken> addedTokens; ///< in file order
    std::vector<NormalizerStep> normalizer;
    std::vector<PreTokenizerStage> preTokenizer;
    std::vector<DecoderStep> decoder;
    bool hasPostProcessor = false;
    std::vector<TokenId> before; ///< ids that the post-processor puts before each text
    std::vector<TokenId> after;
};

/// Reads the file format of Hugging Face's tokenizers 0.23. A kind of part, or a field of one, that
/// is not known to give the same ids is refused by name.
/// Throws: FormatError with file and key.
TokenizerJson readTokenizerJson(std::string_view text, const std::string& file);

} // namespace longlora
