// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/generator.h"

#include "core/engine/checkpoint/loaded_model.h"
#include "core/engine/infer/cached_forward.h"
#include "core/engine/infer/sampler.h"
#include "core/engine/infer/stop_matcher.h"
#include "core/engine/model/decoder_model.h"
#include "core/spec/base/error.h"
#include "core/spec/base/units.h"
#include "core/spec/config/generation_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

namespace longlora {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start)
{
    return std::chrono::duration<double>(Clock::now() - start).count();
}

DataError emptyPrompt()
{
    return DataError("The prompt is empty.", "Write something for the model to go on from.");
}

void requireFits(std::int64_t promptTokens, std::int64_t reserve, std::int64_t context)
{
    if (promptTokens + reserve <= context) {
        return;
    }
    const std::int64_t room = context - promptTokens;
    const std::string remedy =
        room > 0 ? fmt::format("Reserve at most {} tokens for the answer, or shorten the text.",
                               formatCount(room))
                 : fmt::format("Shorten the text by {} tokens, or extend the model's context.",
                               formatCount(promptTokens + reserve - context));
    throw DataError(fmt::format("The prompt has {} tokens and {} are reserved for the answer: {} "
                                "together, but the model's context is {}.",
                                formatCount(promptTokens), formatCount(reserve),
                                formatCount(promptTokens + reserve), formatCount(context)),
                    remedy);
}

/// The answer as text, decoded in continuation of the prompt: alone, its first piece would lose the
/// space that separates it from the prompt.
class AnswerText {
public:
    AnswerText(const LoadedModel& model, std::span<const TokenId> prompt,
               const std::vector<std::string>& stops)
        : m_stops(stops)
    {
        if (!model.hasTokenizer()) {
            return;
        }
        // Enough to hold something printable, and the beginning of an unfinished character.
        constexpr std::size_t kContextTokens = 16;
        m_decoder.emplace(model.tokenizer());
        for (const TokenId id : prompt.last(std::min(prompt.size(), kContextTokens))) {
            m_decoder->push(id);
        }
    }

    std::string push(TokenId id)
    {
        return m_decoder ? taken(m_stops.push(m_decoder->push(id))) : std::string();
    }

    std::string finish()
    {
        if (!m_decoder) {
            return {};
        }
        std::string rest = m_stops.push(m_decoder->finish());
        return taken(rest + m_stops.finish());
    }

    bool stopped() const { return m_stops.stopped(); }
    const std::string& whole() const { return m_whole; }

private:
    std::string taken(std::string piece)
    {
        m_whole += piece;
        return piece;
    }

    std::optional<StreamingDecoder> m_decoder;
    StopMatcher m_stops;
    std::string m_whole;
};

} // namespace

struct Generator::State {
    const LoadedModel& model;
    CachedForward forward;
    std::vector<TokenId> endIds;
    std::size_t choices; ///< ids that may be drawn: rows beyond the tokenizer's mean nothing

    State(const LoadedModel& loaded, KvFormat cache);
    void requireAnswerable(const std::vector<TokenId>& prompt,
                           const SamplingOptions& options) const;
    TokenId draw(Sampler& sampler, const at::Tensor& logits) const;
    bool isEnd(TokenId id) const
    {
        return std::find(endIds.begin(), endIds.end(), id) != endIds.end();
    }
};

Generator::State::State(const LoadedModel& loaded, KvFormat cache)
    : model(loaded)
    , forward(loaded.decoder(), 0, cache)
    , choices(static_cast<std::size_t>(loaded.decoder().lmHead.size(0)))
{
    const auto add = [this](std::int64_t id) { endIds.push_back(static_cast<TokenId>(id)); };
    std::ranges::for_each(model.config().eosTokenIds, add);
    std::ranges::for_each(readGenerationEndIds(model.folder()), add);
    if (model.hasTokenizer()) {
        const Tokenizer& tokenizer = model.tokenizer();
        choices = std::min(choices, static_cast<std::size_t>(tokenizer.vocabularySize()));
        if (tokenizer.eosId()) {
            add(*tokenizer.eosId());
        }
    }
}

void Generator::State::requireAnswerable(const std::vector<TokenId>& prompt,
                                         const SamplingOptions& options) const
{
    if (prompt.empty()) {
        throw emptyPrompt();
    }
    if (options.maxNewTokens < 1) {
        throw ConfigError(
            fmt::format("An answer of {} tokens cannot be given.", options.maxNewTokens),
            "Reserve at least 1 token for the answer.");
    }
    requireInVocabulary(prompt, model.decoder());
    requireFits(std::ssize(prompt), options.maxNewTokens, model.config().contextLength());
}

TokenId Generator::State::draw(Sampler& sampler, const at::Tensor& logits) const
{
    const at::Tensor host = logits.to(at::kCPU, at::kFloat).contiguous();
    return sampler.next({host.const_data_ptr<float>(), choices});
}

Generator::Generator(const LoadedModel& model, KvFormat cache)
    : m_state(std::make_unique<State>(model, cache))
{}

Generator::~Generator() = default;

GenerationResult Generator::generate(const std::vector<TokenId>& prompt,
                                     const SamplingOptions& options,
                                     const ProgressCallback& onPrefill, const TextCallback& onText)
{
    return generate(prompt, options, std::nullopt, onPrefill, onText);
}

GenerationResult Generator::generate(const std::vector<TokenId>& prompt,
                                     const SamplingOptions& options, std::optional<TokenId> turnEnd,
                                     const ProgressCallback& onPrefill, const TextCallback& onText)
{
    m_state->requireAnswerable(prompt, options);
    const auto promptTokens = static_cast<std::int64_t>(prompt.size());
    Sampler sampler(options);
    AnswerText text(m_state->model, prompt, options.stop);

    GenerationResult result;
    result.promptTokens = promptTokens;
    const Clock::time_point start = Clock::now();
    at::Tensor logits;
    try {
        logits = m_state->forward.prefill(prompt, promptTokens + options.maxNewTokens, onPrefill);
    } catch (const Cancelled&) {
        result.finishReason = "cancelled";
    }
    result.reusedTokens = m_state->forward.reusedTokens();
    result.prefillSeconds = secondsSince(start);

    const Clock::time_point decodeStart = Clock::now();
    std::int64_t decoded = 0;
    while (result.finishReason.empty()) {
        const TokenId id = m_state->draw(sampler, logits);
        if (m_state->isEnd(id) || id == turnEnd) {
            result.finishReason = "stop";
            break;
        }
        result.ids.push_back(id);
        const std::string piece = text.push(id);
        const bool goOn = !onText || onText(piece);
        if (text.stopped()) {
            result.finishReason = "stop";
        } else if (!goOn) {
            result.finishReason = "cancelled";
        } else if (std::ssize(result.ids) == options.maxNewTokens) {
            result.finishReason = "length";
        } else {
            logits = m_state->forward.decode(id);
            ++decoded;
        }
    }
    result.newTokens = std::ssize(result.ids);
    if (decoded > 0) {
        result.tokensPerSecond = static_cast<double>(decoded) / secondsSince(decodeStart);
    }
    if (const std::string rest = text.finish(); !rest.empty() && onText) {
        onText(rest);
    }
    result.text = text.whole();
    return result;
}

GenerationResult Generator::generate(const std::string& prompt, const SamplingOptions& options,
                                     const ProgressCallback& onPrefill, const TextCallback& onText)
{
    Conversation conversation;
    conversation.question = prompt;
    return generate(conversation, PromptFormat(), options, onPrefill, onText);
}

GenerationResult Generator::generate(const Conversation& conversation, const PromptFormat& format,
                                     SamplingOptions options, const ProgressCallback& onPrefill,
                                     const TextCallback& onText)
{
    const Tokenizer& tokenizer = m_state->model.tokenizer();
    const std::string prompt = format.write(conversation);
    if (prompt.empty()) {
        throw emptyPrompt();
    }
    const TurnEnd end = format.turnEnd(tokenizer);
    if (!end.text.empty()) {
        options.stop.push_back(end.text);
    }
    return generate(format.encode(prompt, tokenizer), options, end.id, onPrefill, onText);
}

} // namespace longlora
