// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/evaluate/passkey_prompt.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <set>

namespace longlora {
namespace {

TEST(PasskeyPrompt, PromptsAreTheOriginalsByteForByte)
{
    const auto golden =
        nlohmann::json::parse(test::contentOf(LONGLORA_GOLDEN_DIR "/passkey/prompts.json"));
    ASSERT_FALSE(golden["prompts"].empty());
    for (const auto& expected : golden["prompts"]) {
        const std::int64_t characters = expected["n_garbage"];
        const PasskeyPrompt prompt = passkeyPrompt(characters, expected["seed"]);
        EXPECT_EQ(prompt.text, expected["prompt"].get<std::string>());
        EXPECT_EQ(prompt.answer, expected["answer"].get<std::string>());
        EXPECT_EQ(prompt.seed, expected["seed"].get<std::int64_t>());
        EXPECT_DOUBLE_EQ(prompt.depth * static_cast<double>(characters),
                         expected["prefix_characters"].get<double>());
    }
}

TEST(PasskeyPrompt, NothingIsDrawnWhereThereIsNoChoice)
{
    // randint(0, 1) draws no number, so the key is what randint(0, n) would have seen first.
    EXPECT_EQ(passkeyPrompt(1, 3).answer, passkeyPrompt(0, 3).answer);
    EXPECT_EQ(passkeyPrompt(1, 3).depth, 0.0);
}

TEST(PasskeyPrompt, AChosenDepthMovesTheKeyAndChangesNothingElse)
{
    const PasskeyPrompt drawn = passkeyPrompt(1000, 5);
    std::set<std::size_t> places;
    for (const double depth : {0.0, 0.25, 0.5, 1.0}) {
        const PasskeyPrompt prompt = passkeyPromptAtDepth(1000, depth, 5);
        EXPECT_EQ(prompt.answer, drawn.answer);
        EXPECT_EQ(prompt.text.size(), drawn.text.size());
        EXPECT_DOUBLE_EQ(prompt.depth, depth);
        places.insert(prompt.text.find("The pass key is " + prompt.answer));
    }
    EXPECT_EQ(places.size(), 4U);
    EXPECT_EQ(*places.rbegin() - *places.begin(), 1000U);
    EXPECT_EQ(passkeyPromptAtDepth(1000, drawn.depth, 5).text, drawn.text);
}

TEST(PasskeyPrompt, AmountsThatCannotBeAreRefused)
{
    EXPECT_THROW(passkeyPrompt(-1, 0), DataError);
    EXPECT_THROW(passkeyPrompt(std::int64_t{1} << 40, 0), DataError);
}

} // namespace
} // namespace longlora
