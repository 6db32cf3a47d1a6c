// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/bpe/added_tokens.h"
#include "core/spec/text/bpe/bpe_model.h"
#include "core/spec/text/bpe/pre_tokenizer.h"
#include "core/spec/text/bpe/text_normalizer.h"
#include "core/spec/text/bpe/token_decoder.h"
#include "core/spec/text/tokenizer.h"
#include "core/spec/text/tokenizer_settings.h"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace longlora {

struct TokenizerJson;

/// A `tokenizer.json` of a byte-pair encoding, with the ids of Hugging Face's tokenizers 0.23. What
/// is not UTF-8 in a text counts as U+FFFD.
class JsonTokenizer : public Tokenizer {
public:
    /// `text`: the file's content; `file` names it. Throws: FormatError.
    JsonTokenizer(std::string_view text, const std::string& file,
                  const TokenizerSettings& settings);

    std::vector<TokenId> encode(std::string_view text, bool addBos) const override;
    std::string decode(std::span<const TokenId> ids, bool keepSpecial) const override;
    std::int64_t vocabularySize() const override { return m_vocabularySize; }
    std::optional<TokenId> bosId() const override { return m_bos; }
    std::optional<TokenId> eosId() const override { return m_eos; }

private:
    JsonTokenizer(TokenizerJson json, const std::string& file, const TokenizerSettings& settings);

    void addTokens(std::vector<AddedToken> tokens, const std::string& file);
    void addSettings(const TokenizerSettings& settings, const std::string& file);
    void findTokensInTexts();
    void setEnds(const TokenizerJson& json, const TokenizerSettings& settings,
                 const std::string& file);
    std::optional<TokenId> idOf(const std::string& token) const;
    std::unique_ptr<BpeModel::Scratch> takeScratch() const;
    void giveScratch(std::unique_ptr<BpeModel::Scratch> scratch) const;

    struct Added {
        AddedToken token;
        std::string normalizedText;
    };

    BpeModel m_model;
    TextNormalizer m_normalizer;
    PreTokenizer m_preTokenizer;
    TokenDecoder m_decoder;
    std::unordered_map<TokenId, Added> m_added;
    std::unordered_map<std::string, TokenId> m_addedByText;
    AddedTokens m_inText;           ///< found before the text is normalised
    AddedTokens m_inNormalizedText; ///< and after
    std::vector<TokenId> m_before;
    std::int64_t m_vocabularySize = 0;
    std::optional<TokenId> m_bos;
    std::optional<TokenId> m_eos;

    mutable std::mutex m_mutex;                                          ///< of m_scratches
    mutable std::vector<std::unique_ptr<BpeModel::Scratch>> m_scratches; ///< not in use
};

} // namespace longlora
