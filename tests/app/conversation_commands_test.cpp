// SPDX-License-Identifier: GPL-3.0-or-later
// generate and chat, with and without a chat template.
#include "tests/app/program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace longlora::test {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kModel = "models/tiny-shakespeare";

Json jsonOf(std::vector<std::string> arguments)
{
    arguments.push_back("--json");
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.json();
}

/// tiny-shakespeare with a chat template of its own.
fs::path chatModel(const ScratchFolder& scratch, const std::string& source)
{
    const fs::path model = copyOfModel("tiny-shakespeare", scratch / "model");
    writeFile(model / "chat_template.jinja", source);
    return model;
}

constexpr const char* kTemplate =
    "{{ bos_token }}{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}";

std::int64_t tokensOf(const std::string& text)
{
    return jsonOf({"tokenize", "--model", kModel, "--text", text}).at("count").get<std::int64_t>();
}

TEST(GenerateCommand, RepeatsItselfAndStreamsTheSameText)
{
    const std::vector<std::string> arguments = {"generate", "--model",          kModel,
                                                "--prompt", "ROMEO:",           "--seed",
                                                "3",        "--max-new-tokens", "24"};
    const Json json = jsonOf(arguments);
    EXPECT_EQ(json.at("new_tokens"), 24);
    EXPECT_EQ(json.at("finish_reason"), "length");
    EXPECT_GT(json.at("prompt_tokens").get<int>(), 1);
    EXPECT_GE(json.at("prefill_seconds").get<double>(), 0.0);
    EXPECT_GT(json.at("tokens_per_second").get<double>(), 0.0);
    const Outcome streamed = run(arguments);
    EXPECT_EQ(streamed.out, json.at("text").get<std::string>() + "\n");
}

TEST(GenerateCommand, KeepsKeysAndValuesInEightBitsIfAsked)
{
    const std::vector<std::string> asked{"generate",         "--model", kModel, "--prompt", "the",
                                         "--max-new-tokens", "8",       "--kv", "int8"};
    const Outcome outcome = run(asked);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    std::vector<std::string> wrong = asked;
    wrong.back() = "int7";
    const Outcome refused = run(wrong);
    EXPECT_EQ(refused.status, 2);
    EXPECT_NE(refused.lastErrorLine().find("int8"), std::string::npos) << refused.err;
}

TEST(GenerateCommand, ReadsDocumentsBeforeThePrompt)
{
    const ScratchFolder scratch;
    writeFile(scratch / "a.txt", "A tale.");
    writeFile(scratch / "b.txt", "ROMEO:");
    const Json ids = jsonOf({"tokenize", "--model", kModel, "--text", "A tale.\n\nROMEO:"});
    const Json json =
        jsonOf({"generate", "--model", kModel, "--document", scratch / "a.txt", "--prompt-file",
                scratch / "b.txt", "--max-new-tokens", "4", "--temperature", "0"});
    EXPECT_EQ(json.at("prompt_tokens"), ids.at("count"));
}

TEST(ChatCommand, GoesOnFromEachLine)
{
    Program::Options options;
    options.input = "ROMEO:\n/quit\n";
    const Outcome outcome =
        run({"chat", "--model", kModel, "--max-new-tokens", "8", "--temperature", "0"}, options);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_GT(outcome.out.size(), std::string("> > \n").size()) << outcome.out;
}

TEST(GenerateCommand, AsksWithTheChatTemplate)
{
    const ScratchFolder scratch;
    const fs::path model = chatModel(scratch, kTemplate);
    writeFile(scratch / "a.txt", "A tale.");
    const Json json = jsonOf({"generate", "--model", model, "--chat", "--system", "Be brief.",
                              "--document", scratch / "a.txt", "--prompt", "Who?",
                              "--max-new-tokens", "4", "--temperature", "0"});
    // tokenize puts BOS in front itself.
    EXPECT_EQ(json.at("prompt_tokens"),
              tokensOf("system: Be brief.\nuser: A tale.\n\nWho?\nassistant:"));
    EXPECT_EQ(json.at("template"), "its own");
    const Json plain = jsonOf({"generate", "--model", model, "--prompt", "Who?", "--max-new-tokens",
                               "4", "--temperature", "0"});
    EXPECT_EQ(plain.at("prompt_tokens"), tokensOf("Who?"));
    EXPECT_EQ(plain.at("template"), "");
}

TEST(GenerateCommand, ABaseModelSaysThatItIsOneAndCompletes)
{
    const Outcome outcome =
        run({"generate", "--model", kModel, "--chat", "--prompt", "ROMEO:", "--max-new-tokens", "4",
             "--temperature", "0", "--json"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("it is a base model"), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.json().at("prompt_tokens"), tokensOf("ROMEO:"));
}

TEST(GenerateCommand, ATemplateThatCannotBeUsedIsOneClearLine)
{
    const std::pair<const char*, const char*> cases[] = {
        {"{% for %}", "line 1, column"},
        {"{{ raise_exception('Only tools are answered') }}", "Only tools are answered"}};
    for (const auto& [source, said] : cases) {
        const ScratchFolder folder;
        const fs::path model = chatModel(folder, source);
        const Outcome outcome = run({"generate", "--model", model, "--chat", "--prompt", "Who?"});
        EXPECT_EQ(outcome.status, 3) << outcome.err;
        EXPECT_NE(outcome.lastErrorLine().find(said), std::string::npos) << outcome.err;
        EXPECT_NE(outcome.lastErrorLine().find("chat_template.jinja"), std::string::npos);
    }
    const Outcome alone = run({"generate", "--model", kModel, "--system", "x", "--prompt", "y"});
    EXPECT_EQ(alone.status, 2);
    EXPECT_NE(alone.lastErrorLine().find("--chat"), std::string::npos);
}

TEST(ChatCommand, SaysHowItWritesAndKeepsTheConversation)
{
    const ScratchFolder scratch;
    Program::Options options;
    options.input = "Who?\nWhy?\n/quit\n";
    const auto chat = [&](const fs::path& model) {
        const Outcome outcome = run({"chat", "--model", model, "--max-new-tokens", "4",
                                     "--temperature", "0", "--system", "Be brief."},
                                    options);
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        return outcome.err;
    };
    const std::string with = chat(chatModel(scratch, kTemplate));
    EXPECT_NE(with.find("Chat template: its own"), std::string::npos) << with;
    const std::int64_t first = tokensOf("system: Be brief.\nuser: Who?\nassistant:");
    EXPECT_NE(with.find("[" + std::to_string(first) + " + "), std::string::npos) << with;
    EXPECT_NE(chat(golden(kModel)).find("it is a base model"), std::string::npos);
}

} // namespace

} // namespace longlora::test
