// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/demo/demo_measurement.h"

#include "core/spec/base/error.h"
#include "core/spec/evaluate/demo_retrieval.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

namespace longlora::app {

namespace {

/// Every model is asked the same questions.
constexpr std::int64_t kQuestionSeed = 1000;

} // namespace

double DemoMeasurement::perplexityAt(std::int64_t length) const
{
    const auto found = std::find_if(perplexity.begin(), perplexity.end(),
                                    [&](const auto& one) { return one.context == length; });
    return found == perplexity.end() ? std::numeric_limits<double>::quiet_NaN() : found->perplexity;
}

double DemoMeasurement::accuracyAt(std::int64_t length) const
{
    std::int64_t correct = 0;
    std::int64_t trials = 0;
    for (const PasskeyCell& cell : passkey) {
        correct += cell.length == length ? cell.correct : 0;
        trials += cell.length == length ? cell.trials : 0;
    }
    return static_cast<double>(correct) / static_cast<double>(trials);
}

PromptMaker demoPromptMaker(const std::string& heldOut, const Tokenizer& tokenizer)
{
    return [&](std::int64_t maxPromptTokens, double depth, std::int64_t seed) {
        // Text per token varies from passage to passage: come close from what was too long, and
        // never be longer.
        double characters = 3.0 * static_cast<double>(maxPromptTokens);
        while (characters >= 1.0) {
            PasskeyPrompt prompt =
                demoRetrievalPrompt(heldOut, static_cast<std::int64_t>(characters), depth, seed);
            const auto tokens = std::ssize(tokenizer.encode(prompt.text, true));
            if (tokens <= maxPromptTokens) {
                return prompt;
            }
            const double ratio = static_cast<double>(maxPromptTokens) / static_cast<double>(tokens);
            characters = std::min(characters * ratio, characters - 8.0);
        }
        throw DataError("a retrieval question does not fit into " +
                        std::to_string(maxPromptTokens) + " tokens");
    };
}

DemoMeasurement measureModel(const LoadedModel& model, std::string key, std::string name,
                             const DemoMeasuring& measuring, const ProgressCallback& progress)
{
    const auto start = std::chrono::steady_clock::now();
    DemoMeasurement result{.key = std::move(key), .name = std::move(name)};
    const std::vector<TokenId> tokens = model.tokenizer().encode(measuring.heldOut, false);
    for (const std::int64_t length : measuring.lengths) {
        PerplexityOptions options;
        options.context = length;
        options.stride = length / 2;
        result.perplexity.push_back(evaluatePerplexity(model, tokens, options, progress));
    }
    PasskeyOptions options;
    options.lengths = measuring.lengths;
    options.trials = measuring.trials / std::ssize(options.depths);
    options.seed = kQuestionSeed;
    options.makePrompt = demoPromptMaker(measuring.heldOut, model.tokenizer());
    result.passkey = evaluatePasskey(model, options, progress);
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

} // namespace longlora::app
