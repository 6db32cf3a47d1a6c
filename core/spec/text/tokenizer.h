// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace longlora {

using TokenId = std::int32_t;

/// Text to token ids and back, as the model's home ecosystem does it. Threading: const members may
/// be called from several threads at once.
class Tokenizer {
public:
    virtual ~Tokenizer() = default;

    /// Ids of `text` as the model is fed: special tokens in the text become their ids; BOS first
    /// if `addBos` and the model has one. Any bytes are accepted.
    virtual std::vector<TokenId> encode(std::string_view text, bool addBos) const = 0;
    /// Text of `ids`; special tokens are left out unless `keepSpecial`. Throws: DataError for an
    /// id outside the vocabulary.
    virtual std::string decode(std::span<const TokenId> ids, bool keepSpecial) const = 0;

    virtual std::int64_t vocabularySize() const = 0;
    virtual std::optional<TokenId> bosId() const = 0;
    virtual std::optional<TokenId> eosId() const = 0;
};

/// Reads the tokenizer of a model folder (which may hold no weights): `tokenizer.model` behind the
/// gate, or else the byte-pair encoding in `tokenizer.json`; settings from tokenizer_config.json.
/// Throws: FormatError; DataError if there is none.
std::unique_ptr<Tokenizer> loadTokenizer(const std::filesystem::path& folder);

/// Turns a stream of ids into text without ever emitting half a character.
class StreamingDecoder {
public:
    /// `tokenizer` outlives this.
    explicit StreamingDecoder(const Tokenizer& tokenizer);
    /// The text that became certain with `id`; often empty inside a multi-byte character.
    std::string push(TokenId id);
    /// What is left when the stream ends (an incomplete character as U+FFFD).
    std::string finish();

private:
    void shortenWindow(const std::string& text);

    const Tokenizer& m_tokenizer;
    std::vector<TokenId> m_pending; ///< the last tokens, with enough before what is not certain
    std::string m_emitted;          ///< the beginning of their text, which was handed out
};

} // namespace longlora
