// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/generator.h"
#include "core/engine/infer/sampler.h"
#include "core/engine/model/forward.h"
#include "core/spec/base/error.h"
#include "tests/engine/random_llama.h"
#include "tests/engine/tiny_shakespeare.h"

#include <ATen/Functions.h>

#include <gtest/gtest.h>

namespace longlora {
namespace {

using test::EditedModel;
using test::idRow;
using test::loadTiny;
using test::tinyShakespeare;

using Ids = std::vector<TokenId>;

const std::string kPrompt = "KING HENRY:\nWhat say you, my lord";

SamplingOptions greedy(std::int64_t newTokens)
{
    SamplingOptions options;
    options.temperature = 0.0;
    options.maxNewTokens = newTokens;
    return options;
}

/// Without a cache: the whole text again for every token.
Ids greedyWithoutCache(const LoadedModel& model, Ids ids, std::size_t newTokens)
{
    Ids made;
    while (made.size() < newTokens) {
        const at::Tensor logits =
            forwardLogits(model.decoder(), idRow(ids), {}).squeeze(0)[-1].to(at::kFloat);
        made.push_back(
            mostLikely({logits.const_data_ptr<float>(), static_cast<std::size_t>(logits.numel())}));
        ids.push_back(made.back());
    }
    return made;
}

class GeneratorTest : public testing::Test {
protected:
    LoadedModel model = loadTiny(ComputePrecision::Fp32);
    Generator generator{model};
};

TEST_F(GeneratorTest, GreedyTokensAreThoseOfTheModelWithoutACache)
{
    const Ids prompt = model.tokenizer().encode(kPrompt, true);
    const GenerationResult result = generator.generate(prompt, greedy(40), {}, {});
    EXPECT_EQ(result.ids, greedyWithoutCache(model, prompt, 40));
    EXPECT_EQ(result.promptTokens, std::ssize(prompt));
    EXPECT_EQ(result.newTokens, 40);
    EXPECT_EQ(result.finishReason, "length");
    EXPECT_GT(result.tokensPerSecond, 0.0);
    EXPECT_GT(result.prefillSeconds, 0.0);
}

TEST_F(GeneratorTest, TheTextGoesOnFromThePromptWithItsSpaces)
{
    const Tokenizer& tokenizer = model.tokenizer();
    Ids whole = tokenizer.encode(kPrompt, true);
    std::string streamed;
    const GenerationResult result =
        generator.generate(whole, greedy(50), {}, [&](const auto& text) {
            streamed += text;
            return true;
        });
    const std::string before = tokenizer.decode(whole, false);
    whole.insert(whole.end(), result.ids.begin(), result.ids.end());
    EXPECT_EQ(before + result.text, tokenizer.decode(whole, false));
    EXPECT_EQ(streamed, result.text);

    // A word in a prompt that is cut before its space: the answer's first piece has it.
    const Ids spaced = tokenizer.encode("the king", true);
    const GenerationResult next =
        generator.generate(Ids(spaced.begin(), spaced.begin() + 2), greedy(20), {}, {});
    EXPECT_NE(next.text.find(' '), std::string::npos) << next.text;
}

TEST_F(GeneratorTest, TheStringOverloadEncodesAsTheModelIsFed)
{
    const Ids ids = model.tokenizer().encode(kPrompt, true);
    const GenerationResult fromIds = generator.generate(ids, greedy(10), {}, {});
    const GenerationResult fromText = generator.generate(kPrompt, greedy(10), {}, {});
    EXPECT_EQ(fromText.ids, fromIds.ids);
    EXPECT_EQ(fromText.promptTokens, std::ssize(ids));
    // A template that writes the first token itself does not get a second one.
    const GenerationResult templated = generator.generate("<s>" + kPrompt, greedy(10), {}, {});
    EXPECT_EQ(templated.promptTokens, std::ssize(model.tokenizer().encode("<s>" + kPrompt, false)));
}

TEST_F(GeneratorTest, ASecondPromptThatBeginsLikeTheFirstGivesWhatAFreshOneGives)
{
    const std::string second = kPrompt + "s of France?\n\nEXETER:\n";
    const GenerationResult first = generator.generate(kPrompt, greedy(20), {}, {});
    EXPECT_EQ(first.reusedTokens, 0);
    const GenerationResult reused = generator.generate(second, greedy(40), {}, {});
    EXPECT_GT(reused.reusedTokens, 10);
    EXPECT_LT(reused.reusedTokens, reused.promptTokens);
    Generator fresh(model);
    const GenerationResult wanted = fresh.generate(second, greedy(40), {}, {});
    EXPECT_EQ(wanted.reusedTokens, 0);
    EXPECT_EQ(reused.ids, wanted.ids);
    EXPECT_EQ(reused.text, wanted.text);
}

TEST_F(GeneratorTest, InFourBitsShortAnswersAreThoseInFull)
{
    Generator four(model, KvFormat::Int4);
    EXPECT_EQ(four.generate(kPrompt, greedy(40), {}, {}).ids,
              generator.generate(kPrompt, greedy(40), {}, {}).ids);
}

TEST_F(GeneratorTest, InFourBitsALongTextIsGoneOnWithAndReadAgainWhereItMust)
{
    const EditedModel edited(tinyShakespeare(), "config.json", "\"max_position_embeddings\": 128",
                             "\"max_position_embeddings\": 1024");
    const LoadedModel longer = loadTiny(ComputePrecision::Fp32, edited.path());
    Ids prompt = longer.tokenizer().encode(kPrompt, true);
    while (prompt.size() < 200) {
        prompt.insert(prompt.end(), prompt.begin() + 1, prompt.end());
    }
    prompt.resize(200);
    Generator four(longer, KvFormat::Int4);
    EXPECT_EQ(four.generate(prompt, greedy(20), {}, {}).newTokens, 20);
    // 219 tokens were held, of them 128 in 4 bits, which are as many as 199 have.
    EXPECT_EQ(four.generate(prompt, greedy(200), {}, {}).reusedTokens, 199);
    // 399 were held, 320 in 4 bits: of the newest of 199 some have to be read again.
    EXPECT_EQ(four.generate(prompt, greedy(20), {}, {}).reusedTokens, 128);
}

TEST_F(GeneratorTest, TheSeedDecidesTheTokens)
{
    SamplingOptions options;
    options.maxNewTokens = 30;
    options.seed = 5;
    const GenerationResult first = generator.generate(kPrompt, options, {}, {});
    Generator fresh(model);
    EXPECT_EQ(fresh.generate(kPrompt, options, {}, {}).ids, first.ids);
    options.seed = 6;
    EXPECT_NE(fresh.generate(kPrompt, options, {}, {}).ids, first.ids);
}

TEST_F(GeneratorTest, EndsBeforeAStopStringAndNeverShowsAPartOfIt)
{
    const std::string whole = generator.generate(kPrompt, greedy(60), {}, {}).text;
    // Every place and length: stops begin and end inside of tokens and between them.
    for (std::size_t begin = 5; begin + 12 < whole.size() / 2; begin += 7) {
        for (const std::size_t length : {1UL, 4UL, 11UL}) {
            SamplingOptions options = greedy(60);
            options.stop = {whole.substr(begin, length), "never to be found"};
            std::string streamed;
            const GenerationResult result =
                generator.generate(kPrompt, options, {}, [&](const auto& text) {
                    streamed += text;
                    return true;
                });
            const std::string wanted = whole.substr(0, whole.find(options.stop[0]));
            EXPECT_EQ(result.text, wanted) << options.stop[0];
            EXPECT_EQ(streamed, wanted) << options.stop[0];
            EXPECT_EQ(result.finishReason, "stop");
        }
    }
}

TEST_F(GeneratorTest, TextHeldBackForAStopThatNeverComesIsGivenAtTheEnd)
{
    const std::string whole = generator.generate(kPrompt, greedy(20), {}, {}).text;
    SamplingOptions options = greedy(20);
    options.stop = {whole.substr(whole.size() - 3) + "\x01"};
    const GenerationResult result = generator.generate(kPrompt, options, {}, {});
    EXPECT_EQ(result.text, whole);
    EXPECT_EQ(result.finishReason, "length");
}

TEST_F(GeneratorTest, EndsAtTheEndTokenOfTheConfigWithoutShowingIt)
{
    const GenerationResult whole = generator.generate(kPrompt, greedy(20), {}, {});
    const TokenId end = whole.ids[7];
    const auto first = std::find(whole.ids.begin(), whole.ids.end(), end);
    const EditedModel edited(tinyShakespeare(), "config.json", "\"eos_token_id\": 2",
                             "\"eos_token_id\": [2, " + std::to_string(end) + "]");
    const LoadedModel other = loadTiny(ComputePrecision::Fp32, edited.path());
    const GenerationResult result = Generator(other).generate(kPrompt, greedy(20), {}, {});
    EXPECT_EQ(result.ids, Ids(whole.ids.begin(), first));
    EXPECT_EQ(result.finishReason, "stop");
}

TEST_F(GeneratorTest, EndsAtTheEndTokensOfTheGenerationConfigToo)
{
    const GenerationResult whole = generator.generate(kPrompt, greedy(20), {}, {});
    const TokenId end = whole.ids[7];
    const auto first = std::find(whole.ids.begin(), whole.ids.end(), end);
    const EditedModel edited(tinyShakespeare(), "generation_config.json", "\"eos_token_id\": 2",
                             "\"eos_token_id\": [2, " + std::to_string(end) + "]");
    const LoadedModel other = loadTiny(ComputePrecision::Fp32, edited.path());
    const GenerationResult result = Generator(other).generate(kPrompt, greedy(20), {}, {});
    EXPECT_EQ(result.ids, Ids(whole.ids.begin(), first));
    EXPECT_EQ(result.finishReason, "stop");
}

TEST_F(GeneratorTest, EndsWhereTheTemplateEndsATurn)
{
    const GenerationResult whole = generator.generate(kPrompt, greedy(20), {}, {});
    const TokenId end = whole.ids[7];
    const auto first = std::find(whole.ids.begin(), whole.ids.end(), end);
    // The token becomes a special one with which the template ends turns.
    const EditedModel edited(
        tinyShakespeare(), "tokenizer_config.json", "{",
        "{\"added_tokens_decoder\": {\"" + std::to_string(end) +
            "\": {\"content\": \"<|end|>\", \"special\": true}}, \"chat_template\": "
            "\"{{ bos_token }}{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}"
            "<|end|>{% endif %}{% endfor %}\",");
    const LoadedModel other = loadTiny(ComputePrecision::Fp32, edited.path());
    Conversation said;
    said.question = kPrompt;
    const GenerationResult result =
        Generator(other).generate(said, PromptFormat::read(edited.path()), greedy(20), {}, {});
    EXPECT_EQ(result.ids, Ids(whole.ids.begin(), first));
    EXPECT_EQ(result.finishReason, "stop");
    EXPECT_EQ(result.text.find('<'), std::string::npos) << result.text;
    // Without the template's word for it the token does not end anything.
    EXPECT_EQ(Generator(other).generate(kPrompt, greedy(20), {}, {}).finishReason, "length");
}

TEST_F(GeneratorTest, TheCallbackStopsAfterThePresentToken)
{
    int calls = 0;
    const GenerationResult result =
        generator.generate(kPrompt, greedy(50), {}, [&](const auto&) { return ++calls < 5; });
    EXPECT_EQ(result.newTokens, 5);
    EXPECT_EQ(result.finishReason, "cancelled");
    const GenerationResult whole = generator.generate(kPrompt, greedy(5), {}, {});
    EXPECT_EQ(result.ids, whole.ids);
    EXPECT_EQ(result.text, whole.text);
}

TEST_F(GeneratorTest, PrefillCanBeCancelled)
{
    const GenerationResult result =
        generator.generate(kPrompt, greedy(50), [](const Progress&) { return false; }, {});
    EXPECT_EQ(result.finishReason, "cancelled");
    EXPECT_EQ(result.newTokens, 0);
    EXPECT_EQ(result.text, "");
}

TEST_F(GeneratorTest, RefusesWhatExceedsTheContextAndNamesTheNumbers)
{
    const std::int64_t context = model.config().contextLength();
    ASSERT_EQ(context, 128);
    const Ids prompt = test::randomIds(100, 512, 41);
    EXPECT_NO_THROW(generator.generate(prompt, greedy(28), {}, {}));
    const auto refusal = [&](const Ids& ids, std::int64_t reserve) {
        try {
            generator.generate(ids, greedy(reserve), {}, {});
        } catch (const DataError& error) {
            return error.describe();
        }
        return std::string("nothing was refused");
    };
    const std::string message = refusal(prompt, 29);
    for (const char* number :
         {"100 tokens", "29 are reserved", "129 together", "128", "at most 28"}) {
        EXPECT_NE(message.find(number), std::string::npos) << number << " in: " << message;
    }
    const std::string longer = refusal(test::randomIds(300, 512, 42), 10);
    EXPECT_NE(longer.find("by 182 tokens"), std::string::npos) << longer;
}

TEST_F(GeneratorTest, RefusesWhatCannotBeAsked)
{
    EXPECT_THROW(generator.generate(Ids{}, greedy(5), {}, {}), DataError);
    EXPECT_THROW(generator.generate(std::string(), greedy(5), {}, {}), DataError);
    EXPECT_THROW(generator.generate(Ids{5, 512}, greedy(5), {}, {}), DataError);
    EXPECT_THROW(generator.generate(kPrompt, greedy(0), {}, {}), ConfigError);
    SamplingOptions options = greedy(5);
    options.stop = {""};
    EXPECT_THROW(generator.generate(kPrompt, options, {}, {}), ConfigError);
    // And is as good as new afterwards.
    EXPECT_EQ(generator.generate(kPrompt, greedy(5), {}, {}).newTokens, 5);
}

} // namespace
} // namespace longlora
