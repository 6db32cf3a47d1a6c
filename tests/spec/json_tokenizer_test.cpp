// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/text/bpe/json_tokenizer.h"
#include "core/spec/text/tokenizer.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <random>
#include <thread>

namespace longlora {
namespace {

using test::contentOf;
using test::messageOf;
using test::TemporaryFolder;
using Json = nlohmann::json;

const std::filesystem::path kFolder = LONGLORA_GOLDEN_DIR "/tokenizer";

Json readJson(const std::filesystem::path& file)
{
    return Json::parse(contentOf(file));
}

Json baseJson(const std::string& name)
{
    return readJson(kFolder / name / "tokenizer.json");
}

std::unique_ptr<Tokenizer> tokenizerOf(const Json& json, const std::string& config = "{}")
{
    const TemporaryFolder folder;
    folder.write("tokenizer.json", json.dump());
    folder.write("tokenizer_config.json", config);
    return loadTokenizer(folder.path());
}

Json addedToken(int id, const std::string& content)
{
    return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
            {"rstrip", false}, {"normalized", false}, {"special", true}};
}

std::string streamed(const Tokenizer& tokenizer, const std::vector<TokenId>& ids)
{
    StreamingDecoder decoder(tokenizer);
    std::string text;
    for (const TokenId id : ids) {
        text += decoder.push(id);
    }
    return text + decoder.finish();
}

TEST(JsonTokenizer, GoldenIdsAndTextsAreAllEqual)
{
    const auto tokenizer = loadTokenizer(kFolder / "smollm2");
    const std::vector<std::string> texts = readJson(kFolder / "texts.json");
    const Json golden = readJson(kFolder / "ids" / "smollm2.json");
    ASSERT_EQ(golden.size(), texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::vector<TokenId> ids = golden[i]["ids"];
        EXPECT_EQ(tokenizer->encode(texts[i], true), ids) << texts[i];
        EXPECT_EQ(tokenizer->decode(ids, true), golden[i]["decoded"].get<std::string>());
        EXPECT_EQ(streamed(*tokenizer, ids), tokenizer->decode(ids, false));
    }
}

/// Spellings of published families on two small vocabularies.
TEST(JsonTokenizer, IdsAndTextsOfEveryVariantAreAllEqual)
{
    const Json golden = readJson(kFolder / "variants.json");
    const std::vector<std::string> texts = golden["texts"];
    ASSERT_GT(golden["variants"].size(), 10U);
    for (const Json& variant : golden["variants"]) {
        Json json = baseJson(variant["base"]);
        for (const auto& [key, value] : variant["replace"].items()) {
            if (key == "model") {
                json[key].update(value);
            } else {
                json[key] = value;
            }
        }
        for (const Json& token : variant["added_tokens"]) {
            json["added_tokens"].push_back(token);
        }
        const auto tokenizer = tokenizerOf(json);
        ASSERT_EQ(variant["ids"].size(), texts.size());
        for (std::size_t i = 0; i < texts.size(); ++i) {
            const std::vector<TokenId> ids = variant["ids"][i];
            ASSERT_EQ(tokenizer->encode(texts[i], true), ids) << variant["name"] << texts[i];
            ASSERT_EQ(tokenizer->decode(ids, true), variant["decoded"][i].get<std::string>())
                << variant["name"];
        }
    }
}

TEST(JsonTokenizer, StreamsOfRandomIdsAreTheirDecodedText)
{
    for (const char* name : {"smollm2", "tiny-bpe"}) {
        const auto tokenizer = loadTokenizer(kFolder / name);
        std::mt19937 random(11);
        const auto count = static_cast<unsigned>(tokenizer->vocabularySize());
        for (int round = 0; round < 200; ++round) {
            std::vector<TokenId> ids;
            for (int i = 0; i < 60; ++i) {
                // Half of them single bytes, so that characters are split, broken and whole.
                const auto id = random() % 2 == 0 ? random() % 260 : random() % count;
                ids.push_back(static_cast<TokenId>(id));
            }
            ASSERT_EQ(streamed(*tokenizer, ids), tokenizer->decode(ids, false)) << name << round;
        }
    }
}

TEST(JsonTokenizer, CharactersSplitOverTokensAreStreamedWhole)
{
    const auto tokenizer = loadTokenizer(kFolder / "smollm2");
    const std::string text = "\xF0\x9D\x94\x98 \xE4\xBD\xA0\xF0\x9F\x91\x8B\xF0\x9F\x8F\xBD z";
    const std::vector<TokenId> ids = tokenizer->encode(text, false);
    ASSERT_GT(ids.size(), 7U);
    StreamingDecoder decoder(*tokenizer);
    std::string seen;
    for (const TokenId id : ids) {
        seen += decoder.push(id);
        ASSERT_EQ(text.compare(0, seen.size(), seen), 0); // never half a character
    }
    EXPECT_EQ(seen + decoder.finish(), text);
}

TEST(JsonTokenizer, ARunOfBytesKeepsTheCharactersInIt)
{
    const auto tokenizer = loadTokenizer(kFolder / "tiny-bpe");
    const auto byte = [](int value) { return 3 + value; };
    const std::vector<TokenId> ids = {byte('A'), byte(0xC3), byte(0xA9), byte(0xFF), byte(0xE4)};
    EXPECT_EQ(tokenizer->decode(ids, true), "A\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD");
    EXPECT_EQ(streamed(*tokenizer, ids), tokenizer->decode(ids, true));
}

TEST(JsonTokenizer, WhatIsNotUtf8CountsAsReplacementCharacters)
{
    const auto tokenizer = loadTokenizer(kFolder / "smollm2");
    const std::string fffd = "\xEF\xBF\xBD";
    EXPECT_EQ(tokenizer->encode("a\xFF\xFE b\xE4\xBD", false),
              tokenizer->encode("a" + fffd + fffd + " b" + fffd, false));
    std::mt19937 random(2);
    for (int round = 0; round < 100; ++round) {
        std::string text;
        for (int i = 0; i < 200; ++i) {
            text += static_cast<char>(random());
        }
        EXPECT_FALSE(tokenizer->encode(text, true).empty());
    }
}

TEST(JsonTokenizer, KnowsItsSizeAndMarks)
{
    const auto tokenizer = loadTokenizer(kFolder / "smollm2");
    EXPECT_EQ(tokenizer->vocabularySize(), 49152);
    EXPECT_EQ(tokenizer->bosId(), 1);
    EXPECT_EQ(tokenizer->eosId(), 2);
    for (const TokenId id : {-1, 49152, 2147483647, -2147483647}) {
        EXPECT_NE(messageOf<DataError>([&] {
                      tokenizer->decode(std::vector<TokenId>{id}, true);
                  }).find("outside the vocabulary of 49152"),
                  std::string::npos);
    }
}

TEST(JsonTokenizer, BosComesFromTheFileOrFromTheSettings)
{
    const Json json = baseJson("tiny-bpe");
    const std::vector<TokenId> plain = tokenizerOf(json)->encode("a", false);
    std::vector<TokenId> withBos = {1};
    withBos.insert(withBos.end(), plain.begin(), plain.end());
    EXPECT_EQ(tokenizerOf(json)->encode("a", true), withBos);
    EXPECT_EQ(tokenizerOf(json)->bosId(), 1);
    EXPECT_EQ(tokenizerOf(json, R"({"add_bos_token": false})")->encode("a", true), plain);
    Json without = json;
    without.erase("post_processor");
    EXPECT_EQ(tokenizerOf(without)->encode("a", true), plain);
    EXPECT_EQ(tokenizerOf(without, R"({"bos_token": "<s>"})")->encode("a", true), plain);
    EXPECT_EQ(
        tokenizerOf(without, R"({"bos_token": "<s>", "add_bos_token": true})")->encode("a", true),
        withBos);
}

TEST(JsonTokenizer, SettingsAddTokensAndDescribeThem)
{
    const auto tokenizer = tokenizerOf(baseJson("tiny-bpe"), R"({"eos_token": "ing",
        "added_tokens_decoder": {"512": {"content": "[PAD]", "special": true},
                                 "1": {"content": "<s>", "special": false, "normalized": false}}})");
    EXPECT_EQ(tokenizer->vocabularySize(), 513);
    EXPECT_EQ(tokenizer->encode("[PAD]", false), std::vector<TokenId>{512});
    EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{1, 512}, false), "<s>");
    // A token that is named as a mark is special even if it is an ordinary word.
    ASSERT_TRUE(tokenizer->eosId());
    EXPECT_EQ(tokenizer->encode("ing", false), std::vector<TokenId>{*tokenizer->eosId()});
    EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{*tokenizer->eosId()}, false), "");
}

TEST(JsonTokenizer, IdsThatContradictOneAnotherAreRefused)
{
    Json json = baseJson("tiny-bpe");
    for (const auto& [config, part] : std::vector<std::pair<std::string, std::string>>{
             {R"({"added_tokens_decoder": {"7": {"content": "<s>"}}})", "\"<s>\" has id 1, but 7"},
             {R"({"added_tokens_decoder": {"1": {"content": "[X]"}}})", "id 1 belongs to another"},
             {R"({"added_tokens_decoder": {"512": {"content": "x", "single_word": true}}})",
              "single_word"}}) {
        const std::string message = messageOf<FormatError>([&] { tokenizerOf(json, config); });
        EXPECT_NE(message.find(part), std::string::npos) << message;
    }
    json["added_tokens"].push_back(addedToken(600, "[X]"));
    EXPECT_NE(messageOf<FormatError>([&] {
                  tokenizerOf(json);
              }).find("\"[X]\" has id 600 in the file, but 512 by its place"),
              std::string::npos);
}

TEST(JsonTokenizer, AWordOfAHundredThousandCharactersIsNotQuadratic)
{
    // Half a minute each if merging were; the suite's limit of time would end the program.
    const auto byteLevel = loadTokenizer(kFolder / "smollm2");
    const auto charLevel = loadTokenizer(kFolder / "tiny-bpe");
    for (const std::string unit : {"a", "ab", "\xE4\xBD\xA0", " ", "!", "\n", "1", "\xCC\x81"}) {
        std::string text;
        while (text.size() < 300'000) {
            text += unit;
        }
        for (const auto* tokenizer : {byteLevel.get(), charLevel.get()}) {
            const std::vector<TokenId> ids = tokenizer->encode(text, false);
            EXPECT_EQ(tokenizer->decode(ids, true), text);
        }
    }
}

TEST(JsonTokenizer, APatternThatLooksFarAheadAgainAndAgainIsStopped)
{
    Json json = baseJson("smollm2");
    json["pre_tokenizer"] = Json::parse(R"({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": " *x|."}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})");
    const auto tokenizer = tokenizerOf(json);
    EXPECT_EQ(tokenizer->encode("   x", false).size(), 2U);
    EXPECT_NE(messageOf<DataError>([&] {
                  tokenizer->encode(std::string(3'000'000, ' '), false);
              }).find("looks far ahead again and again"),
              std::string::npos);
    json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "(?:a+)+b|.";
    const auto exponential = tokenizerOf(json);
    EXPECT_NE(messageOf<DataError>([&] {
                  exponential->encode(std::string(64, 'a'), false);
              }).find("match limit"),
              std::string::npos);
}

TEST(JsonTokenizer, GrowthWithoutBoundsIsStopped)
{
    Json json = baseJson("tiny-bpe");
    const Json step = {
        {"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(1000, 'a')}};
    json["normalizer"] = {{"type", "Sequence"}, {"normalizers", {step, step, step, step}}};
    const auto tokenizer = tokenizerOf(json);
    EXPECT_NE(messageOf<DataError>([&] { tokenizer->encode("aaaa", false); }).find("longer"),
              std::string::npos);
}

TEST(JsonTokenizer, ThreadsShareOneTokenizer)
{
    const auto tokenizer = loadTokenizer(kFolder / "smollm2");
    const std::vector<std::string> texts = readJson(kFolder / "texts.json");
    std::vector<std::vector<TokenId>> expected;
    for (const std::string& text : texts) {
        expected.push_back(tokenizer->encode(text, true));
    }
    std::vector<int> differences(4);
    std::vector<std::thread> threads;
    for (int& count : differences) {
        threads.emplace_back([&] {
            for (int round = 0; round < 20; ++round) {
                for (std::size_t i = 0; i < texts.size(); ++i) {
                    count += tokenizer->encode(texts[i], true) == expected[i] ? 0 : 1;
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(differences, std::vector<int>(4, 0));
}

TEST(JsonTokenizer, TokenizerModelGoesFirstWhereBothAreThere)
{
    const TemporaryFolder folder;
    folder.write("tokenizer.model", contentOf(kFolder / "tiny-spm" / "tokenizer.model"));
    folder.write("tokenizer.json", "not JSON");
    EXPECT_EQ(loadTokenizer(folder.path())->vocabularySize(), 512);
}

} // namespace
} // namespace longlora
