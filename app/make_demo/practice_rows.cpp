// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/make_demo/practice_rows.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/data/dataset.h"
#include "core/spec/evaluate/demo_retrieval.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace longlora {

namespace {

/// Of the plays in this vocabulary, about.
constexpr double kCharactersPerToken = 2.15;
constexpr TokenId kFirstOrdinaryToken = 260;
constexpr std::int64_t kFewestQuestionTokens = 15;

std::string answered(const PasskeyPrompt& prompt)
{
    return prompt.text + " " + prompt.answer + ".";
}

} // namespace

PracticeRows::PracticeRows(const Tokenizer& tokenizer, const std::string& text, std::uint64_t seed)
    : m_tokenizer(tokenizer)
    , m_text(text)
    , m_ids(tokenizer.encode(text, false))
    , m_digits(tokenizer.encode("0123456789", false))
    , m_generator(seed)
{
    // What stands before the digits is the space that sentencepiece begins a text with.
    m_digits.erase(m_digits.begin(), m_digits.end() - 10);
}

std::string PracticeRows::line(const Row& row)
{
    return nlohmann::json{{"input_ids", row.ids}, {"labels", row.labels}}.dump() + '\n';
}

PracticeRows::Row PracticeRows::passage(std::int64_t length)
{
    const auto count = static_cast<std::size_t>(length);
    const auto begin = m_ids.begin() + static_cast<std::ptrdiff_t>(below(m_ids.size() - count));
    Row row{{begin, begin + length}, {}};
    // Half of the rows begin as a document does, half in the middle of one.
    if (below(2) == 0) {
        row.ids.front() = *m_tokenizer.bosId();
    }
    row.labels.assign(row.ids.begin(), row.ids.end());
    return row;
}

PracticeRows::Row PracticeRows::randomTwice(std::int64_t length)
{
    const std::int64_t period =
        length / 4 + static_cast<std::int64_t>(below(static_cast<std::size_t>(length / 4)));
    const auto ordinary =
        static_cast<std::size_t>(m_tokenizer.vocabularySize() - std::int64_t{kFirstOrdinaryToken});
    Row row;
    for (std::int64_t i = 0; i < length; ++i) {
        const bool isRepeat = i >= period;
        row.ids.push_back(isRepeat ? row.ids[static_cast<std::size_t>(i - period)]
                                   : kFirstOrdinaryToken + static_cast<TokenId>(below(ordinary)));
        row.labels.push_back(isRepeat ? row.ids.back() : kIgnoredLabel);
    }
    return row;
}

PracticeRows::Row PracticeRows::passageTwice(std::int64_t length)
{
    Row row = passage(length);
    const std::int64_t size =
        8 + static_cast<std::int64_t>(below(static_cast<std::size_t>(length / 3)));
    const std::int64_t from = static_cast<std::int64_t>(
        below(static_cast<std::size_t>(std::max<std::int64_t>(1, length - 2 * size))));
    std::copy_n(row.ids.begin() + from, size, row.ids.end() - size);
    row.labels.assign(row.ids.begin(), row.ids.end());
    return row;
}

PasskeyPrompt PracticeRows::passKeyPrompt(std::int64_t tokens)
{
    const auto seed = static_cast<std::int64_t>(m_generator() >> 2U);
    // Far back, where it is hardest to find: a fifth at the very beginning.
    const double depth = below(5) == 0 ? 0.0 : fraction() * fraction();
    double characters = kCharactersPerToken * static_cast<double>(tokens);
    for (;;) {
        const PasskeyPrompt prompt =
            demoRetrievalPrompt(m_text, static_cast<std::int64_t>(characters), depth, seed);
        const auto used = static_cast<double>(m_tokenizer.encode(answered(prompt), true).size());
        if (used <= static_cast<double>(tokens)) {
            return prompt;
        }
        characters *= 0.97 * static_cast<double>(tokens) / used;
    }
}

PracticeRows::Row PracticeRows::passKey(std::int64_t length, double leastPart)
{
    const double part = leastPart + (1.0 - leastPart) * fraction();
    const auto tokens = static_cast<std::int64_t>(part * static_cast<double>(length));
    const PasskeyPrompt prompt = passKeyPrompt(std::max<std::int64_t>(tokens, 62));
    // The same question again until the row is full.
    std::string text = answered(prompt);
    for (std::int64_t used = tokens; used < length; used += kFewestQuestionTokens) {
        text += "\n" + demoQuestion() + " " + prompt.answer + ".";
    }
    Row row;
    row.ids = m_tokenizer.encode(text, true);
    row.ids.resize(static_cast<std::size_t>(length), *m_tokenizer.eosId());
    row.labels.assign(row.ids.size(), kIgnoredLabel);
    // Scored are answers with the blank before and the stop behind them: all digits but those of
    // the line that plants the key.
    std::size_t digits = 0;
    for (std::size_t i = 1; i + 1 < row.ids.size(); ++i) {
        const bool isDigit =
            std::find(m_digits.begin(), m_digits.end(), row.ids[i]) != m_digits.end();
        digits += isDigit ? 1 : 0;
        if (isDigit && digits > prompt.answer.size()) {
            std::copy_n(row.ids.begin() + static_cast<std::ptrdiff_t>(i) - 1, 3,
                        row.labels.begin() + static_cast<std::ptrdiff_t>(i) - 1);
        }
    }
    return row;
}

PracticeRows::Row PracticeRows::digitsAgain(std::int64_t length)
{
    const auto period = static_cast<std::int64_t>(5 + below(28));
    Row row;
    for (std::int64_t i = 0; i < length; ++i) {
        const bool isRepeat = i >= period;
        row.ids.push_back(isRepeat ? row.ids[static_cast<std::size_t>(i - period)]
                                   : m_digits[below(m_digits.size())]);
        row.labels.push_back(isRepeat ? row.ids.back() : kIgnoredLabel);
    }
    return row;
}

void PracticeRows::write(const std::filesystem::path& file, std::int64_t count, std::int64_t length)
{
    std::string lines;
    for (std::int64_t i = 0; i < count; ++i) {
        const std::size_t kind = below(100);
        const Row row = kind < 35   ? passage(length)
                        : kind < 45 ? randomTwice(length)
                        : kind < 50 ? passageTwice(length)
                        : kind < 60 ? digitsAgain(length)
                                    : passKey(length, 0.5);
        lines += line(row);
    }
    writeFileAtomically(file, lines);
}

std::string PracticeRows::passageText(std::int64_t tokens)
{
    const auto characters =
        static_cast<std::size_t>(kCharactersPerToken * 1.3 * static_cast<double>(tokens));
    const std::size_t begin = m_text.find('\n', below(m_text.size() - 2 * characters)) + 1;
    std::string text = m_text.substr(begin, characters);
    while (static_cast<std::int64_t>(m_tokenizer.encode(text, true).size()) > tokens) {
        text.resize(text.rfind('\n', text.size() - 2) + 1);
    }
    return text;
}

void PracticeRows::writeLongRows(const std::filesystem::path& file, std::int64_t count,
                                 std::int64_t length)
{
    std::string lines;
    for (std::int64_t i = 0; i < count; ++i) {
        // BOS is counted by encode; EOS comes on top.
        lines += i % 2 == 0 ? line(passKey(length, 0.8))
                            : nlohmann::json{{"text", passageText(length - 1)}}.dump() + '\n';
    }
    writeFileAtomically(file, lines);
}

} // namespace longlora
