// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/app/program.h"

#include <gtest/gtest.h>

#include <sstream>

namespace longlora::test {

namespace {

using ::testing::TestWithParam;
using ::testing::Values;

const std::vector<std::vector<std::string>> kCommands = {
    {"demo"},
    {"plan"},
    {"train"},
    {"events"},
    {"control"},
    {"merge"},
    {"generate"},
    {"chat"},
    {"tokenize"},
    {"logits"},
    {"self-check"},
    {"inspect"},
    {"doctor"},
    {"evaluate", "perplexity"},
    {"evaluate", "passkey"},
};

TEST(CommandLine, HelpListsEveryCommand)
{
    const Outcome help = run({"--help"});
    EXPECT_EQ(help.status, 0);
    for (const auto& command : kCommands) {
        EXPECT_NE(help.out.find("\n  " + command.front() + " "), std::string::npos)
            << command.front();
    }
}

TEST(CommandLine, HelpHasOneLinePerOption)
{
    for (std::vector<std::string> command : kCommands) {
        command.push_back("--help");
        const Outcome help = run(command);
        EXPECT_EQ(help.status, 0) << command.front();
        std::istringstream lines(help.out.substr(help.out.find("Options:")));
        std::string line;
        std::getline(lines, line);
        while (std::getline(lines, line) && !line.empty()) {
            EXPECT_TRUE(line.starts_with("  -")) << line;
            EXPECT_GT(line.size(), 34U) << line << " has no description";
        }
    }
}

TEST(CommandLine, HelpOfTrainListsTheFieldsOfARun)
{
    const Outcome help = run({"train", "--help"});
    EXPECT_NE(help.out.find("  lora.rank "), std::string::npos);
    EXPECT_NE(help.out.find("[1 to 4,096] (default 8)"), std::string::npos);
    EXPECT_NE(help.out.find("[clipped, circular] (default clipped)"), std::string::npos);
}

TEST(CommandLine, VersionIsOneLine)
{
    const Outcome version = run({"--version"});
    EXPECT_EQ(version.status, 0);
    EXPECT_TRUE(version.out.starts_with("longlora "));
}

struct WrongUsage {
    std::vector<std::string> arguments;
    std::string said; ///< part of the last line
};

class WrongUsageTest : public TestWithParam<WrongUsage> {};

TEST_P(WrongUsageTest, IsOneLineAndStatus2)
{
    const Outcome outcome = run(GetParam().arguments);
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    EXPECT_TRUE(outcome.out.empty()) << outcome.out;
    EXPECT_TRUE(outcome.lastErrorLine().starts_with("longlora: ")) << outcome.err;
    EXPECT_NE(outcome.lastErrorLine().find(GetParam().said), std::string::npos) << outcome.err;
}

INSTANTIATE_TEST_SUITE_P(
    Each, WrongUsageTest,
    Values(WrongUsage{{}, "no command is given"}, WrongUsage{{"trian"}, "Did you mean train?"},
           WrongUsage{{"evaluate"}, "longlora evaluate --help"},
           WrongUsage{{"bench", "train", "--tokens", "8"}, "See longlora bench train --help."},
           WrongUsage{{"evaluate", "perplexty"}, "Did you mean perplexity?"},
           WrongUsage{{"train", "--confg", "x"}, "Did you mean --config?"},
           WrongUsage{{"merge", "--bse=x"}, "Did you mean --base?"},
           WrongUsage{{"merge", "--base", "models/llama-mha"}, "--adapter is required"},
           WrongUsage{{"inspect", "a", "b"}, "unexpected argument b"},
           WrongUsage{{"generate", "--model", "x", "--top-p", "1.5"}, "--top-p: 1.5 is outside"},
           WrongUsage{{"generate", "--model", "x", "--seed", "many"}, "not a whole number"},
           WrongUsage{{"generate", "--model", "models/tiny-shakespeare"}, "--prompt-file"},
           WrongUsage{
               {"evaluate", "perplexity", "--model", "x", "--data", "y", "--context", "12,x"},
               "--context: \"x\""},
           WrongUsage{{"evaluate", "perplexity", "--model", "x", "--data", "y", "--context", "64",
                       "--rule", "slidng"},
                      "Did you mean sliding?"},
           WrongUsage{{"control", "x", "halt"}, "none of hold, resume, checkpoint, stop"},
           WrongUsage{{"tokenize", "--model", "models/tiny-shakespeare"}, "--decode"},
           WrongUsage{{"plan", "--set", "model=models/llama-mha", "--device-memory", "lots"},
                      "not a number of bytes"},
           WrongUsage{{"train"}, "no model is given"},
           WrongUsage{{"train", "--set", "lora.rnk=4"}, "lora.rank"},
           WrongUsage{{"train", "--set", "lora.rank"}, "has no key and value"},
           WrongUsage{{"train", "--set", "model=models/llama-mha", "--set", "lora.rank=0"},
                      "lora.rank"},
           // 2 x the model's 64 tokens do not reach 256.
           WrongUsage{{"train", "--config", "training/mha-extend-s2/run_config.json", "--set",
                       "context.length=256", "--set", "context.factor=2"},
                      "context"}));

} // namespace

} // namespace longlora::test
