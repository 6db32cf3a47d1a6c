// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/evaluate/passkey.h"
#include "core/engine/infer/generator.h"
#include "core/spec/base/error.h"
#include "tests/engine/tiny_shakespeare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace longlora {
namespace {

using test::EditedModel;
using test::loadTiny;
using test::tinyShakespeare;

SamplingOptions greedy(std::int64_t newTokens)
{
    SamplingOptions options;
    options.temperature = 0.0;
    options.maxNewTokens = newTokens;
    return options;
}

std::int64_t tokenCount(const LoadedModel& model, const std::string& text)
{
    return std::ssize(model.tokenizer().encode(text, true));
}

class PasskeyTest : public testing::Test {
protected:
    // The context as such is not what is tested: a generator must accept the same prompts.
    EditedModel edited{tinyShakespeare(), "config.json", "\"max_position_embeddings\": 128",
                       "\"max_position_embeddings\": 1024"};
    LoadedModel model = loadTiny(ComputePrecision::Fp32, edited.path());
};

TEST_F(PasskeyTest, PromptsAreTheLargestThatFitTheLength)
{
    PasskeyOptions options;
    options.lengths = {200, 333};
    options.depths = {0.0, 0.4, 1.0};
    options.trials = 3;
    options.seed = 7;
    std::vector<PasskeyTrial> trials;
    const std::vector<PasskeyCell> cells = evaluatePasskey(model, options, {}, &trials);
    ASSERT_EQ(cells.size(), 6U);
    ASSERT_EQ(trials.size(), 18U);
    std::size_t next = 0;
    for (const std::int64_t length : options.lengths) {
        for (const double depth : options.depths) {
            const PasskeyCell& cell = cells[next / 3];
            EXPECT_EQ(cell.length, length);
            EXPECT_EQ(cell.depth, depth);
            EXPECT_EQ(cell.trials, 3);
            double promptTokens = 0.0;
            for (std::int64_t seed = 7; seed < 10; ++seed) {
                const PasskeyTrial& trial = trials[next++];
                const auto withGarbage = [&](std::int64_t characters) {
                    return passkeyPromptAtDepth(characters, depth, seed);
                };
                const auto tokens = [&](std::int64_t characters) {
                    const PasskeyPrompt prompt = withGarbage(characters);
                    return tokenCount(model, prompt.text + " " + prompt.answer);
                };
                // Cut words make the count waver: there may be several lengths of filler that fit
                // while one more character does not. One of them it must be.
                std::int64_t garbage = 0;
                while (garbage < 2000 && withGarbage(garbage).text != trial.prompt) {
                    ++garbage;
                }
                ASSERT_LT(garbage, 2000) << "no such prompt: " << trial.prompt;
                EXPECT_EQ(trial.answer, withGarbage(garbage).answer);
                EXPECT_LE(tokens(garbage), length);
                EXPECT_GT(tokens(garbage + 1), length);
                promptTokens += static_cast<double>(tokenCount(model, trial.prompt)) / 3.0;
            }
            EXPECT_NEAR(cell.meanPromptTokens, promptTokens, 1e-9);
        }
    }
}

TEST_F(PasskeyTest, WhatIsGivenIsWhatTheModelSays)
{
    PasskeyOptions options;
    options.lengths = {160};
    options.depths = {0.0, 0.5};
    options.trials = 4;
    std::vector<PasskeyTrial> trials;
    const std::vector<PasskeyCell> cells = evaluatePasskey(model, options, {}, &trials);
    std::int64_t correct = 0;
    for (const PasskeyTrial& trial : trials) {
        const std::int64_t answerTokens =
            tokenCount(model, trial.prompt + " " + trial.answer) - tokenCount(model, trial.prompt);
        std::string said =
            Generator(model).generate(trial.prompt, greedy(answerTokens), {}, {}).text;
        said = said.starts_with(' ') ? said.substr(1) : said;
        EXPECT_EQ(trial.given, said);
        EXPECT_EQ(trial.correct, said == trial.answer);
        correct += trial.correct ? 1 : 0;
    }
    EXPECT_EQ(correct, cells[0].correct + cells[1].correct);
}

/// What the model says after `prompt`, of a length that is read back as the tokens that were said;
/// empty if there is none, or it is no word of its own.
std::string said(const LoadedModel& model, const std::string& prompt)
{
    const std::vector<TokenId> before = model.tokenizer().encode(prompt, true);
    for (std::int64_t count = 6; count > 0; --count) {
        const GenerationResult result = Generator(model).generate(prompt, greedy(count), {}, {});
        std::vector<TokenId> whole = before;
        whole.insert(whole.end(), result.ids.begin(), result.ids.end());
        if (model.tokenizer().encode(prompt + result.text, true) == whole &&
            (result.text.starts_with(' ') || result.text.starts_with('\n'))) {
            return result.text;
        }
    }
    return {};
}

TEST_F(PasskeyTest, AnswersThatTheModelGivesCountAsCorrect)
{
    // Questions whose answers are what the model says anyway, one of them spoilt.
    std::vector<PasskeyPrompt> questions;
    for (const char* text : {"KING HENRY:\nWhat say you, my", "The lord of", "I have", "My noble",
                             "I will not", "And let the", "What is", "He is a", "O my good"}) {
        if (const std::string answer = said(model, text); !answer.empty()) {
            questions.push_back({text, answer, 0.0, 0});
        }
    }
    ASSERT_GE(questions.size(), 4U);
    questions[2].answer = " zzzz";
    PasskeyOptions options;
    options.lengths = {100};
    options.depths = {0.5};
    options.trials = std::ssize(questions);
    options.makePrompt = [&](std::int64_t maxPromptTokens, double, std::int64_t seed) {
        const PasskeyPrompt& question = questions[static_cast<std::size_t>(seed)];
        EXPECT_LE(tokenCount(model, question.text), maxPromptTokens);
        return question;
    };
    std::vector<PasskeyTrial> trials;
    const std::vector<PasskeyCell> cells = evaluatePasskey(model, options, {}, &trials);
    ASSERT_EQ(cells.size(), 1U);
    EXPECT_EQ(cells[0].trials, std::ssize(questions));
    EXPECT_EQ(cells[0].correct, std::ssize(questions) - 1);
    EXPECT_FALSE(trials[2].correct);
}

TEST_F(PasskeyTest, ACustomQuestionIsMadeAgainWhenItsAnswerLeavesAnotherRoom)
{
    std::vector<std::int64_t> rooms;
    PasskeyOptions options;
    options.lengths = {60};
    options.depths = {0.0};
    options.trials = 1;
    std::string answer;
    options.makePrompt = [&](std::int64_t maxPromptTokens, double, std::int64_t) {
        rooms.push_back(maxPromptTokens);
        PasskeyPrompt prompt{"x", answer, 0.0, 0};
        while (tokenCount(model, prompt.text + " x") <= maxPromptTokens) {
            prompt.text += " x";
        }
        return prompt;
    };
    for (const char* text : {"1", "a much longer answer than most that are asked for"}) {
        answer = text;
        rooms.clear();
        std::vector<PasskeyTrial> trials;
        evaluatePasskey(model, options, {}, &trials);
        const std::int64_t total = tokenCount(model, trials[0].prompt + " " + answer);
        EXPECT_LE(total, 60);
        EXPECT_GE(total, 58); // " x" may be two tokens
        EXPECT_EQ(rooms.size(), 2U);
    }
    // A maker that does not keep to the room is found out.
    options.makePrompt = [&](std::int64_t, double, std::int64_t) {
        return PasskeyPrompt{std::string(400, 'x'), "1", 0.0, 0};
    };
    EXPECT_THROW(evaluatePasskey(model, options, {}), DataError);
}

TEST_F(PasskeyTest, RefusesLengthsThatCannotHoldThePrompt)
{
    PasskeyOptions options;
    options.lengths = {20};
    options.trials = 1;
    try {
        evaluatePasskey(model, options, {});
        FAIL() << "20 tokens held a passkey prompt";
    } catch (const DataError& error) {
        EXPECT_NE(std::string(error.what()).find("length of 20"), std::string::npos)
            << error.what();
    }
    options.lengths = {};
    EXPECT_THROW(evaluatePasskey(model, options, {}), ConfigError);
    options.lengths = {200};
    options.depths = {1.5};
    EXPECT_THROW(evaluatePasskey(model, options, {}), ConfigError);
}

TEST_F(PasskeyTest, TellsProgressInPromptsAndCanBeCancelled)
{
    PasskeyOptions options;
    options.lengths = {150};
    options.depths = {0.0, 1.0};
    options.trials = 2;
    std::set<std::int64_t> seen;
    evaluatePasskey(model, options, [&](const Progress& progress) {
        EXPECT_EQ(progress.total, 4);
        seen.insert(progress.done);
        return true;
    });
    EXPECT_EQ(seen, (std::set<std::int64_t>{0, 1, 2, 3, 4}));
    EXPECT_THROW(evaluatePasskey(model, options, [](const Progress& p) { return p.done < 2; }),
                 Cancelled);
}

} // namespace
} // namespace longlora
