// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/evaluate/passkey_prompt.h"
#include "core/spec/text/tokenizer.h"

#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace longlora {

/// Rows of ready tokens from which a small model learns language and retrieval together.
class PracticeRows {
public:
    /// Everything outlives this.
    PracticeRows(const Tokenizer& tokenizer, const std::string& text, std::uint64_t seed);

    /// Writes `count` rows of `length` tokens as JSONL of input_ids and labels: passages of the
    /// plays, random tokens said twice, passages said twice, digits said over and over, and pass
    /// keys to be found, most of them far back. Throws: DataError.
    void write(const std::filesystem::path& file, std::int64_t count, std::int64_t length);

    /// Writes `count` rows of at most `length` tokens, for extending the context: passages as text,
    /// and in turn pass keys as input_ids of which the answers alone are scored. (A model that is
    /// scored on the planted digits too, which nobody can know, unlearns to find them.)
    void writeLongRows(const std::filesystem::path& file, std::int64_t count, std::int64_t length);

private:
    struct Row {
        std::vector<TokenId> ids;
        std::vector<std::int64_t> labels;
    };
    static std::string line(const Row& row);
    Row passage(std::int64_t length);
    Row randomTwice(std::int64_t length);
    Row passageTwice(std::int64_t length);
    /// From `leastPart` of the row on it is passage and key; the rest asks again.
    Row passKey(std::int64_t length, double leastPart);
    Row digitsAgain(std::int64_t length);
    PasskeyPrompt passKeyPrompt(std::int64_t tokens);
    std::string passageText(std::int64_t tokens);
    std::size_t below(std::size_t bound) { return m_generator() % bound; }
    double fraction() { return static_cast<double>(m_generator() >> 11U) * 0x1p-53; }

    const Tokenizer& m_tokenizer;
    const std::string& m_text;
    std::vector<TokenId> m_ids;
    std::vector<TokenId> m_digits;
    std::mt19937_64 m_generator;
};

} // namespace longlora
