// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/evaluate/passkey.h"

#include "core/engine/checkpoint/loaded_model.h"
#include "core/engine/infer/cached_forward.h"
#include "core/engine/infer/sampler.h"
#include "core/engine/model/decoder_model.h"
#include "core/spec/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <map>
#include <optional>
#include <span>
#include <utility>

namespace longlora {

namespace {

/// As many characters of filler as passkeyPrompt makes.
constexpr std::int64_t kMostGarbage = std::int64_t{1} << 30;

/// A question as the model is asked it.
struct Question {
    PasskeyPrompt prompt;
    std::vector<TokenId> promptIds; ///< with BOS
    std::vector<TokenId> answerIds;

    std::int64_t tokens() const { return std::ssize(promptIds) + std::ssize(answerIds); }
};

bool endsOpen(const std::string& text, const std::string& answer)
{
    const auto isSpace = [](char c) { return c == ' ' || c == '\n' || c == '\t'; };
    return !text.empty() && !isSpace(text.back()) && !answer.empty() && !isSpace(answer.front());
}

/// The ids of an answer are those that follow the prompt's in the tokens of both together, a space
/// between them: what the model would have read in a text.
Question tokenized(const Tokenizer& tokenizer, PasskeyPrompt prompt)
{
    Question made{std::move(prompt), {}, {}};
    const std::string& text = made.prompt.text;
    const std::string& answer = made.prompt.answer;
    made.promptIds = tokenizer.encode(text, true);
    const std::vector<TokenId> both =
        tokenizer.encode(text + (endsOpen(text, answer) ? " " : "") + answer, true);
    const bool continues = both.size() > made.promptIds.size() &&
                           std::equal(made.promptIds.begin(), made.promptIds.end(), both.begin());
    made.answerIds =
        continues ? std::vector<TokenId>(both.begin() + std::ssize(made.promptIds), both.end())
                  : tokenizer.encode(answer, false);
    return made;
}

[[noreturn]] void refuseLength(std::int64_t length, std::int64_t needed)
{
    throw DataError(fmt::format("A passkey prompt with its answer takes at least {} tokens, more "
                                "than the length of {} asked for.",
                                needed, length),
                    fmt::format("Use lengths of {} tokens and more.", needed));
}

/// LongLoRA's question with as much filler as a length in tokens allows.
class PasskeyFitter {
public:
    explicit PasskeyFitter(const Tokenizer& tokenizer)
        : m_tokenizer(tokenizer)
    {}

    Question make(std::int64_t length, double depth, std::int64_t seed)
    {
        const auto withGarbage = [&](std::int64_t characters) {
            return tokenized(m_tokenizer, passkeyPromptAtDepth(characters, depth, seed));
        };
        std::int64_t fits = 0;
        Question best = withGarbage(0);
        if (best.tokens() > length) {
            refuseLength(length, best.tokens());
        }
        std::int64_t tooMany = kMostGarbage + 1;
        // The last answer for this length is nearly right for another key: widen around it first.
        std::int64_t& hint = m_hints.try_emplace(length, 4 * length).first->second;
        std::int64_t step = 8;
        std::int64_t tried = std::clamp<std::int64_t>(hint, 1, kMostGarbage);
        while (fits + 1 < tooMany) {
            Question question = withGarbage(tried);
            if (question.tokens() <= length) {
                fits = tried;
                best = std::move(question);
            } else {
                tooMany = tried;
            }
            const bool bracketed = tooMany - fits <= 2 * step;
            const std::int64_t widened = fits == tried ? tried + step : tried - step;
            step *= 2;
            const bool inside = widened > fits && widened < tooMany;
            tried = bracketed || !inside ? fits + (tooMany - fits) / 2 : widened;
        }
        hint = fits;
        return best;
    }

private:
    const Tokenizer& m_tokenizer;
    std::map<std::int64_t, std::int64_t> m_hints; ///< characters of filler by length
};

/// A caller's own question. How long the answer is is known only once it is made, so the first is
/// made for a guess and made again if that was wrong; the same seed gives the same answer.
Question makeCustom(const Tokenizer& tokenizer, const PromptMaker& maker, std::int64_t length,
                    double depth, std::int64_t seed)
{
    constexpr std::int64_t kUsualAnswer = 8; // tokens
    std::int64_t room = std::max<std::int64_t>(length - kUsualAnswer, 1);
    for (int attempt = 0; attempt < 3; ++attempt) {
        Question question = tokenized(tokenizer, maker(room, depth, seed));
        if (question.answerIds.empty() || question.promptIds.empty()) {
            throw DataError("A retrieval question has no text or no answer.");
        }
        const std::int64_t roomBeside = length - std::ssize(question.answerIds);
        if (question.tokens() <= length && (room >= roomBeside || attempt > 0)) {
            return question;
        }
        if (roomBeside < 1 || std::ssize(question.promptIds) > std::max(room, roomBeside)) {
            refuseLength(length, question.tokens());
        }
        room = roomBeside;
    }
    throw DataError(fmt::format("No retrieval question of at most {} tokens was made.", length));
}

/// Asks with greedy decoding; the cache stays, so trials that begin alike are read once.
class Examiner {
public:
    explicit Examiner(const LoadedModel& model)
        : m_tokenizer(model.tokenizer())
        , m_model(model.decoder())
        , m_choices(static_cast<std::size_t>(
              std::min(m_model.lmHead.size(0), m_tokenizer.vocabularySize())))
        , m_forward(m_model)
    {}

    /// As many tokens as the answer has. Throws: Cancelled if `progress` says so between chunks.
    std::vector<TokenId> ask(const Question& question, const ProgressCallback& progress)
    {
        requireInVocabulary(question.promptIds, m_model);
        at::Tensor logits = m_forward.prefill(question.promptIds, question.tokens(), progress);
        std::vector<TokenId> given{choose(logits)};
        while (given.size() < question.answerIds.size()) {
            given.push_back(choose(m_forward.decode(given.back())));
        }
        return given;
    }

    /// In continuation of the prompt, without the space between them.
    std::string text(const Question& question, const std::vector<TokenId>& given) const
    {
        StreamingDecoder decoder(m_tokenizer);
        const std::size_t context = std::min<std::size_t>(question.promptIds.size(), 16);
        for (const TokenId id : std::span(question.promptIds).last(context)) {
            decoder.push(id);
        }
        std::string made;
        for (const TokenId id : given) {
            made += decoder.push(id);
        }
        made += decoder.finish();
        return made.starts_with(' ') ? made.substr(1) : made;
    }

private:
    TokenId choose(const at::Tensor& logits) const
    {
        const at::Tensor host = logits.to(at::kCPU, at::kFloat).contiguous();
        return mostLikely({host.const_data_ptr<float>(), m_choices});
    }

    const Tokenizer& m_tokenizer;
    const DecoderModel& m_model;
    std::size_t m_choices;
    CachedForward m_forward;
};

void checkOptions(const PasskeyOptions& options)
{
    if (options.lengths.empty() || options.depths.empty() || options.trials < 1) {
        throw ConfigError("A passkey grid needs at least one length, one depth and one trial.");
    }
    for (const double depth : options.depths) {
        if (!(depth >= 0.0 && depth <= 1.0)) {
            throw ConfigError(fmt::format("Depth {} is outside 0 (first) to 1 (last).", depth));
        }
    }
}

} // namespace

std::vector<PasskeyCell> evaluatePasskey(const LoadedModel& model, const PasskeyOptions& options,
                                         const ProgressCallback& progress,
                                         std::vector<PasskeyTrial>* trials)
{
    checkOptions(options);
    Examiner examiner(model);
    PasskeyFitter fitter(model.tokenizer());
    const std::int64_t total =
        std::ssize(options.lengths) * std::ssize(options.depths) * options.trials;
    std::int64_t done = 0;
    const auto report = [&] {
        if (progress && !progress({"passkey", done, total, "prompts"})) {
            throw Cancelled{};
        }
        return true;
    };
    const ProgressCallback betweenChunks = [&](const Progress&) { return report(); };

    std::vector<PasskeyCell> cells;
    for (const std::int64_t length : options.lengths) {
        for (const double depth : options.depths) {
            PasskeyCell cell{.length = length, .depth = depth};
            std::int64_t promptTokens = 0;
            for (std::int64_t trial = 0; trial < options.trials; ++trial) {
                const std::int64_t seed = options.seed + trial;
                const Question question =
                    options.makePrompt
                        ? makeCustom(model.tokenizer(), options.makePrompt, length, depth, seed)
                        : fitter.make(length, depth, seed);
                const std::vector<TokenId> given = examiner.ask(question, betweenChunks);
                const bool correct = given == question.answerIds;
                cell.correct += correct ? 1 : 0;
                ++cell.trials;
                promptTokens += std::ssize(question.promptIds);
                if (trials != nullptr) {
                    trials->push_back({length, depth, question.prompt.text, question.prompt.answer,
                                       examiner.text(question, given), correct});
                }
                ++done;
            }
            cell.meanPromptTokens =
                static_cast<double>(promptTokens) / static_cast<double>(cell.trials);
            cells.push_back(cell);
        }
    }
    report();
    return cells;
}

} // namespace longlora
