// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/config/generation_config.h"
#include "core/spec/text/prompt_format.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace longlora {
namespace {

using test::contentOf;
using test::messageOf;
using test::TemporaryFolder;
using Json = nlohmann::ordered_json;

const std::filesystem::path kGolden = LONGLORA_GOLDEN_DIR;

/// A folder with a template and nothing else of a model.
void writeTemplate(const TemporaryFolder& folder, const std::string& source)
{
    folder.write("chat_template.jinja", source);
    folder.write("tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": "</s>"})");
}

std::string goldenTemplate(const std::string& name)
{
    return contentOf(kGolden / "templates" / (name + ".jinja"));
}

Conversation conversationOf(const Json& messages)
{
    Conversation conversation;
    for (const Json& message : messages) {
        const std::string role = message["role"];
        const std::string content = message["content"];
        if (role == "system") {
            conversation.system = content;
        } else if (role == "user") {
            conversation.question = content;
        } else {
            conversation.turns.push_back({conversation.question, content});
        }
    }
    return conversation;
}

TEST(PromptFormat, WritesConversationsAsPublishedTemplatesDo)
{
    const Json golden = Json::parse(contentOf(kGolden / "templates/expected.json"));
    int compared = 0;
    for (const Json& expected : golden["expected"]) {
        const std::string name = expected["template"];
        const std::string conversation = expected["conversation"];
        // Llama 3.2 writes today's date.
        if (name == "llama3.2" || (conversation != "one" && conversation != "system")) {
            continue;
        }
        const TemporaryFolder folder;
        writeTemplate(folder, goldenTemplate(name));
        const PromptFormat format = PromptFormat::read(folder.path());
        EXPECT_FALSE(format.isPlain());
        const Conversation said = conversationOf(golden["conversations"][conversation]["messages"]);
        if (expected.contains("text")) {
            EXPECT_EQ(format.write(said), expected["text"].get<std::string>()) << name;
        } else {
            const std::string refusal = messageOf<DataError>([&] { format.write(said); });
            EXPECT_NE(refusal.find(expected["refused"].get<std::string>()), std::string::npos);
            EXPECT_EQ(refusal.find('\n'), std::string::npos) << refusal;
        }
        ++compared;
    }
    EXPECT_EQ(compared, 20);
}

TEST(PromptFormat, KnowsThePublishedForms)
{
    const std::vector<std::pair<std::string, std::string>> styles = {
        {"chatml", "ChatML"},  {"qwen3", "ChatML"},
        {"smollm2", "ChatML"}, {"llama3", "Llama 3"},
        {"zephyr", "Zephyr"},  {"llama2", "Llama 2 or Mistral"},
        {"gemma", "Gemma"},    {"mistral", "Llama 2 or Mistral"}};
    for (const auto& [name, style] : styles) {
        const TemporaryFolder folder;
        writeTemplate(folder, goldenTemplate(name));
        EXPECT_EQ(PromptFormat::read(folder.path()).style(), style) << name;
    }
    const TemporaryFolder folder;
    writeTemplate(folder, "{{ messages[0].content }}");
    EXPECT_EQ(PromptFormat::read(folder.path()).style(), "its own");
}

TEST(PromptFormat, DocumentsBeginTheFirstMessageOfTheUser)
{
    const TemporaryFolder folder;
    writeTemplate(folder, goldenTemplate("chatml"));
    Conversation said;
    said.system = "Be brief.";
    said.documents = {"First text.\n", "Second."};
    said.turns = {{"Who?", "Nobody."}};
    said.question = "Why?";
    EXPECT_EQ(PromptFormat::read(folder.path()).write(said),
              "<|im_start|>system\nBe brief.<|im_end|>\n"
              "<|im_start|>user\nFirst text.\n\n\nSecond.\n\nWho?<|im_end|>\n"
              "<|im_start|>assistant\nNobody.<|im_end|>\n"
              "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n");
}

TEST(PromptFormat, APlainTextIsItsPartsWithBlankLinesBetween)
{
    const TemporaryFolder folder;
    const PromptFormat format = PromptFormat::read(folder.path());
    EXPECT_TRUE(format.isPlain());
    EXPECT_EQ(format.style(), "");
    Conversation said;
    said.documents = {"First text.\n", "Second."};
    said.turns = {{"The key is", " 7."}, {"And", " 8."}};
    said.question = "The sum is";
    EXPECT_EQ(format.write(said),
              "First text.\n\n\nSecond.\n\nThe key is 7.\n\nAnd 8.\n\nThe sum is");
    said = {};
    said.question = "Once upon";
    EXPECT_EQ(format.write(said), "Once upon");
}

TEST(PromptFormat, FeedsTheModelOneBos)
{
    const auto tokenizer = loadTokenizer(kGolden / "tokenizer/tiny-spm");
    const TokenId bos = tokenizer->bosId().value();
    const auto bosCount = [&](const PromptFormat& format, const std::string& question) {
        Conversation said;
        said.question = question;
        const std::vector<TokenId> ids = format.encode(format.write(said), *tokenizer);
        EXPECT_EQ(ids.front() == bos, std::count(ids.begin(), ids.end(), bos) > 0);
        return std::count(ids.begin(), ids.end(), bos);
    };
    const TemporaryFolder folder;
    writeTemplate(folder, goldenTemplate("llama2"));
    EXPECT_EQ(bosCount(PromptFormat::read(folder.path()), "Hello"), 1);
    // A template that writes none wants none.
    writeTemplate(folder, goldenTemplate("zephyr"));
    EXPECT_EQ(bosCount(PromptFormat::read(folder.path()), "Hello"), 0);
    EXPECT_EQ(bosCount(PromptFormat(), "Hello"), 1);
    EXPECT_EQ(bosCount(PromptFormat(), "<s>Hello"), 1);
}

TEST(PromptFormat, KnowsHowTheModelEndsItsTurn)
{
    const auto smol = loadTokenizer(kGolden / "tokenizer/smollm2");
    const auto spm = loadTokenizer(kGolden / "tokenizer/tiny-spm");
    EXPECT_EQ(PromptFormat::read(kGolden / "tokenizer/smollm2").turnEnd(*smol).id, 2);
    const TemporaryFolder folder;
    writeTemplate(folder, goldenTemplate("llama2")); // " </s>"
    EXPECT_EQ(PromptFormat::read(folder.path()).turnEnd(*spm).id, spm->eosId());
    // Without an id for it, the text ends the answer.
    writeTemplate(folder, goldenTemplate("chatml"));
    const TurnEnd end = PromptFormat::read(folder.path()).turnEnd(*spm);
    EXPECT_FALSE(end.id);
    EXPECT_EQ(end.text, "<|im_end|>");
    writeTemplate(folder, "{% for m in messages %}{{ m.content }}\nnext: {% endfor %}");
    const TurnEnd none = PromptFormat::read(folder.path()).turnEnd(*spm);
    EXPECT_FALSE(none.id);
    EXPECT_EQ(none.text, "");
    EXPECT_FALSE(PromptFormat().turnEnd(*spm).id);
}

TEST(PromptFormat, ATemplateThatCannotBeUsedIsRefusedOrTold)
{
    const TemporaryFolder folder;
    for (const char* source : {"{% for %}", "{{ unknown() }}", "{{ raise_exception('never') }}"}) {
        writeTemplate(folder, source);
        EXPECT_THROW(PromptFormat::read(folder.path()), Error) << source;
        const PromptFormat format = PromptFormat::readOrPlain(folder.path());
        EXPECT_TRUE(format.isPlain());
        EXPECT_NE(format.problem().find("chat_template.jinja"), std::string::npos)
            << format.problem();
        EXPECT_EQ(format.problem().find('\n'), std::string::npos) << format.problem();
    }
}

TEST(GenerationConfig, NamesOneEndOrSeveral)
{
    const TemporaryFolder folder;
    using Ids = std::vector<std::int64_t>;
    EXPECT_EQ(readGenerationEndIds(folder.path()), Ids{});
    folder.write("generation_config.json", R"({"bos_token_id": 1})");
    EXPECT_EQ(readGenerationEndIds(folder.path()), Ids{});
    folder.write("generation_config.json", R"({"eos_token_id": 2})");
    EXPECT_EQ(readGenerationEndIds(folder.path()), Ids{2});
    folder.write("generation_config.json", R"({"eos_token_id": [128001, 128009]})");
    EXPECT_EQ(readGenerationEndIds(folder.path()), (Ids{128001, 128009}));
    folder.write("generation_config.json", R"({"eos_token_id": "</s>"})");
    EXPECT_NE(
        messageOf<FormatError>([&] { readGenerationEndIds(folder.path()); }).find("eos_token_id"),
        std::string::npos);
}

} // namespace
} // namespace longlora
