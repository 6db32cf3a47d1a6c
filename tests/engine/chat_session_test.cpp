// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/chat_session.h"
#include "core/engine/infer/generator.h"
#include "core/engine/model/decoder_model.h"
#include "tests/engine/tiny_shakespeare.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace longlora {
namespace {

using test::EditedModel;
using test::tinyShakespeare;

const std::string kPrompt = "KING HENRY:\nWhat say you, my lord";

ChatRequest request(const std::string& prompt, std::int64_t newTokens)
{
    ChatRequest made;
    made.conversation.question = prompt;
    made.sampling.temperature = 0.0;
    made.sampling.maxNewTokens = newTokens;
    return made;
}

bool isFinal(const ChatEvent& event)
{
    return !std::holds_alternative<ChatPrefill>(event) && !std::holds_alternative<ChatText>(event);
}

/// What a window does: drains now and then.
class Window {
public:
    std::unique_ptr<ChatService> chat = makeChatSession();

    /// Events up to and with the next that ends a command; fails the test if none comes.
    std::vector<ChatEvent> untilFinal()
    {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
        for (;;) {
            for (ChatEvent& event : chat->drain()) {
                m_waiting.push_back(std::move(event));
            }
            const auto end = std::find_if(m_waiting.begin(), m_waiting.end(), isFinal);
            if (end != m_waiting.end()) {
                std::vector<ChatEvent> events(m_waiting.begin(), end + 1);
                m_waiting.erase(m_waiting.begin(), end + 1);
                return events;
            }
            if (std::chrono::steady_clock::now() > deadline) {
                ADD_FAILURE() << "no answer came";
                return {ChatFailed{"no answer came", ""}};
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }

    template <class Event>
    Event expect()
    {
        const std::vector<ChatEvent> events = untilFinal();
        if (const auto* event = std::get_if<Event>(&events.back())) {
            return *event;
        }
        const auto* failed = std::get_if<ChatFailed>(&events.back());
        ADD_FAILURE() << "another event came: " << (failed ? failed->message : "not a failure");
        return {};
    }

    ChatModelLoaded load(const std::filesystem::path& folder = tinyShakespeare())
    {
        chat->load(folder);
        return expect<ChatModelLoaded>();
    }

private:
    std::vector<ChatEvent> m_waiting;
};

TEST(ChatSession, LoadsAModelAndSaysWhatItIs)
{
    Window window;
    const ChatModelLoaded loaded = window.load();
    EXPECT_EQ(loaded.folder, tinyShakespeare().string());
    EXPECT_EQ(loaded.contextLength, 128);
    EXPECT_EQ(loaded.parameters, readModelConfig(tinyShakespeare()).parameterCount());
    EXPECT_TRUE(loaded.isBaseModel);
}

/// tiny-shakespeare with a chat template in tokenizer_config.json.
class ChatModel : public EditedModel {
public:
    explicit ChatModel(const std::string& source)
        : EditedModel(tinyShakespeare(), "tokenizer_config.json", "{",
                      "{\"chat_template\": \"" + source + "\",")
    {}
};

constexpr const char* kTemplate =
    "{{ bos_token }}{% for m in messages %}{{ m.role + ': ' + m.content }}</s>{% endfor %}";

TEST(ChatSession, AModelWithAChatTemplateIsNoBaseModel)
{
    const ChatModel model(kTemplate);
    Window window;
    const ChatModelLoaded loaded = window.load(model.path());
    EXPECT_FALSE(loaded.isBaseModel);
    EXPECT_EQ(loaded.templateStyle, "its own");
    EXPECT_EQ(loaded.templateProblem, "");
}

TEST(ChatSession, ABrokenTemplateIsToldAndTheModelAnswersPlainText)
{
    const ChatModel model("{% for %}");
    Window window;
    const ChatModelLoaded loaded = window.load(model.path());
    EXPECT_FALSE(loaded.isBaseModel);
    EXPECT_EQ(loaded.templateStyle, "");
    EXPECT_NE(loaded.templateProblem.find("tokenizer_config.json"), std::string::npos);
    window.chat->ask(request(kPrompt, 5));
    EXPECT_EQ(window.expect<ChatAnswered>().newTokens, 5);
}

TEST(ChatSession, WritesTheConversationWithTheTemplate)
{
    const ChatModel model(kTemplate);
    Window window;
    window.load(model.path());
    ChatRequest asked = request("What say you?", 5);
    asked.conversation.system = "Be brief.";
    asked.conversation.documents = {"A tale."};
    asked.conversation.turns = {{"Who?", "Nobody."}};
    window.chat->ask(asked);
    const ChatAnswered answered = window.expect<ChatAnswered>();
    const auto tokenizer = loadTokenizer(model.path());
    EXPECT_EQ(answered.promptTokens,
              std::ssize(tokenizer->encode("<s>system: Be brief.</s>user: A tale.\n\nWho?</s>"
                                           "assistant: Nobody.</s>user: What say you?</s>",
                                           false)));
}

TEST(ChatSession, ARefusalOfTheTemplateIsOneLine)
{
    const ChatModel model("{% if messages|length > 1 %}{{ raise_exception('one at a time') }}"
                          "{% endif %}{{ messages[0].content }}");
    Window window;
    EXPECT_EQ(window.load(model.path()).templateProblem, "");
    ChatRequest asked = request(kPrompt, 5);
    asked.conversation.turns = {{"Who?", "Nobody."}};
    window.chat->ask(asked);
    const ChatFailed failed = window.expect<ChatFailed>();
    EXPECT_NE(failed.message.find("one at a time"), std::string::npos) << failed.message;
    EXPECT_EQ(failed.message.find('\n'), std::string::npos) << failed.message;
    window.chat->ask(request(kPrompt, 5));
    EXPECT_EQ(window.expect<ChatAnswered>().newTokens, 5);
}

TEST(ChatSession, AnswersWithPrefillThenTextThenTheEnd)
{
    Window window;
    window.load();
    window.chat->ask(request(kPrompt, 30));
    const std::vector<ChatEvent> events = window.untilFinal();
    ASSERT_GE(events.size(), 3U);
    std::string text;
    std::size_t prefills = 0;
    for (const ChatEvent& event : events) {
        if (const auto* piece = std::get_if<ChatText>(&event)) {
            EXPECT_FALSE(piece->text.empty());
            text += piece->text;
        } else if (const auto* prefill = std::get_if<ChatPrefill>(&event)) {
            EXPECT_TRUE(text.empty()) << "prefill after text";
            EXPECT_LE(prefill->done, prefill->total);
            ++prefills;
        }
    }
    EXPECT_GE(prefills, 2U);
    ASSERT_TRUE(std::holds_alternative<ChatAnswered>(events.back()));
    const auto& answered = std::get<ChatAnswered>(events.back());

    LoadOptions options;
    options.model = tinyShakespeare();
    const LoadedModel model(options);
    const GenerationResult wanted =
        Generator(model).generate(kPrompt, request(kPrompt, 30).sampling, {}, {});
    EXPECT_EQ(text, wanted.text);
    EXPECT_EQ(answered.promptTokens, wanted.promptTokens);
    EXPECT_EQ(answered.newTokens, 30);
    EXPECT_EQ(answered.finishReason, "length");
}

TEST(ChatSession, ComputesInFp32WhatIsStoredInFp32)
{
    // So that the window, `generate` and `evaluate` agree on a model; on a processor that is fast
    // in bf16 near ties would fall otherwise.
    LoadOptions options;
    options.model = tinyShakespeare();
    EXPECT_EQ(LoadedModel(options).decoder().dtype(), at::kFloat);
    options.precision = ComputePrecision::Bf16;
    EXPECT_EQ(LoadedModel(options).decoder().dtype(), at::kBFloat16);
}

TEST(ChatSession, KeepsTheCacheOfTheCommonBeginning)
{
    Window window;
    window.load();
    window.chat->ask(request(kPrompt, 5));
    window.untilFinal();
    window.chat->ask(request(kPrompt + "s of France?", 5));
    const std::vector<ChatEvent> events = window.untilFinal();
    ASSERT_TRUE(std::holds_alternative<ChatPrefill>(events.front()));
    EXPECT_GT(std::get<ChatPrefill>(events.front()).done, 10);
}

TEST(ChatSession, WithoutAModelAskingFails)
{
    Window window;
    window.chat->ask(request(kPrompt, 5));
    const ChatFailed failed = window.expect<ChatFailed>();
    EXPECT_NE(failed.message.find("No model"), std::string::npos);
    EXPECT_FALSE(failed.hint.empty());
    window.load();
    window.chat->unload();
    window.chat->ask(request(kPrompt, 5));
    window.expect<ChatFailed>();
}

TEST(ChatSession, FailuresAreToldAndTheSessionGoesOn)
{
    Window window;
    window.chat->load(tinyShakespeare() / "not there");
    EXPECT_NE(window.expect<ChatFailed>().message.find("not there"), std::string::npos);
    window.load();
    window.chat->ask(request(kPrompt, 1000)); // more than the context
    const ChatFailed failed = window.expect<ChatFailed>();
    EXPECT_NE(failed.message.find("1,000"), std::string::npos) << failed.message;
    EXPECT_FALSE(failed.hint.empty());
    ChatRequest impossible = request(kPrompt, 5);
    impossible.sampling.topP = 2.0;
    window.chat->ask(impossible);
    window.expect<ChatFailed>();
    window.chat->ask(request(kPrompt, 5));
    EXPECT_EQ(window.expect<ChatAnswered>().newTokens, 5);
}

TEST(ChatSession, CancelEndsWhatWasAskedBeforeItAndNothingElse)
{
    // Seconds of answers, so that some still wait or are being given when cancel comes.
    constexpr int kQuestions = 300;
    Window window;
    window.chat->load(tinyShakespeare());
    for (int i = 0; i < kQuestions; ++i) {
        window.chat->ask(request(kPrompt, 90));
    }
    window.chat->cancel();
    window.chat->ask(request(kPrompt, 7));
    window.expect<ChatModelLoaded>();
    std::string last;
    for (int i = 0; i < kQuestions; ++i) {
        last = window.expect<ChatAnswered>().finishReason;
    }
    EXPECT_EQ(last, "cancelled");
    const ChatAnswered after = window.expect<ChatAnswered>();
    EXPECT_EQ(after.finishReason, "length");
    EXPECT_EQ(after.newTokens, 7);
}

TEST(ChatSession, AnotherModelEndsTheAnswersOfTheFirst)
{
    constexpr int kQuestions = 300;
    Window window;
    window.load();
    for (int i = 0; i < kQuestions; ++i) {
        window.chat->ask(request(kPrompt, 90));
    }
    window.chat->load(tinyShakespeare());
    std::string last;
    for (int i = 0; i < kQuestions; ++i) {
        last = window.expect<ChatAnswered>().finishReason;
    }
    EXPECT_EQ(last, "cancelled");
    window.expect<ChatModelLoaded>();
    window.chat->ask(request(kPrompt, 7));
    EXPECT_EQ(window.expect<ChatAnswered>().finishReason, "length");
}

TEST(ChatSession, EndsWhileItIsWorking)
{
    for (int commands = 0; commands < 3; ++commands) {
        const std::unique_ptr<ChatService> chat = makeChatSession();
        if (commands > 0) {
            chat->load(tinyShakespeare());
        }
        for (int i = 1; i < commands; ++i) {
            chat->ask(request(kPrompt, 90));
            chat->ask(request(kPrompt, 90));
        }
    } // joins, with everything half done
}

} // namespace
} // namespace longlora
