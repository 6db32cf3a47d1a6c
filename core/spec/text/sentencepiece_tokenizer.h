// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/token_trie.h"
#include "core/spec/text/tokenizer.h"
#include "core/spec/text/tokenizer_settings.h"

#include <array>
#include <bitset>
#include <map>
#include <memory>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace longlora {

struct SentencePieceModel;

/// A `tokenizer.model` of the Llama family as Hugging Face's LlamaTokenizer uses it: the library
/// segments the text between special tokens.
///
/// A text is cut into words where no piece of the vocabulary has the two bytes around the cut side
/// by side: no merge can cross such a place, so the ids are those of the whole text, memory and
/// time grow with the text's length alone, and of a long text the library sees each word once.
class SentencePieceTokenizer : public Tokenizer {
public:
    /// `bytes`: the file's content; `file` names it. Throws: FormatError (see the gate).
    SentencePieceTokenizer(std::string_view bytes, const std::string& file,
                           TokenizerSettings settings);
    ~SentencePieceTokenizer() override;

    std::vector<TokenId> encode(std::string_view text, bool addBos) const override;
    std::string decode(std::span<const TokenId> ids, bool keepSpecial) const override;
    std::int64_t vocabularySize() const override { return m_vocabularySize; }
    std::optional<TokenId> bosId() const override { return m_bos; }
    std::optional<TokenId> eosId() const override { return m_eos; }

private:
    using Processor = sentencepiece::SentencePieceProcessor;

    void addSpecialTokens(const SentencePieceModel& model, const std::string& file);
    void noteJoinedBytes(const SentencePieceModel& model);
    void encodeBetween(std::string_view text, bool withDummyPrefix,
                       std::vector<TokenId>& ids) const;
    std::size_t wordEnd(std::string_view text) const;
    std::string decodeRun(const std::vector<int>& run, bool withDummyPrefix) const;
    void checkId(TokenId id) const;

    TokenizerSettings m_settings;
    std::unique_ptr<Processor> m_prefixed; ///< with the dummy space before a text
    std::unique_ptr<Processor> m_plain;    ///< without
    bool m_firstPrefix = true;             ///< before the first text
    bool m_laterPrefix = true;             ///< before texts that follow a special token
    std::vector<AddedToken> m_special;     ///< found in texts, or left out of decoded ones
    std::map<TokenId, std::size_t> m_specialById;
    TokenTrie m_trie; ///< of those found in texts; index into m_special
    bool m_mayCut = false;
    std::array<std::bitset<256>, 256> m_joined; ///< [left][right]: side by side in some piece
    std::int64_t m_pieceCount = 0;
    std::int64_t m_vocabularySize = 0;
    std::optional<TokenId> m_bos;
    std::optional<TokenId> m_eos;
};

} // namespace longlora
