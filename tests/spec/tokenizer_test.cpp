// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/text/sentencepiece_tokenizer.h"
#include "core/spec/text/tokenizer.h"
#include "tests/spec/model_proto.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sentencepiece_processor.h>

#include <random>

namespace longlora {
namespace {

using test::contentOf;
using test::messageOf;
using test::TemporaryFolder;

const std::filesystem::path kFolder = LONGLORA_GOLDEN_DIR "/tokenizer";

nlohmann::json readJson(const std::filesystem::path& file)
{
    return nlohmann::json::parse(contentOf(file));
}

std::string modelBytes(const std::string& name)
{
    return contentOf(kFolder / name / "tokenizer.model");
}

/// A folder with the model `name` and other settings.
std::unique_ptr<Tokenizer> tokenizerWith(const std::string& name, const std::string& config)
{
    const TemporaryFolder folder;
    folder.write("tokenizer.model", modelBytes(name));
    folder.write("tokenizer_config.json", config);
    return loadTokenizer(folder.path());
}

class GoldenTokenizer : public testing::TestWithParam<const char*> {
protected:
    std::vector<std::string> texts() const { return readJson(kFolder / "texts.json"); }
    nlohmann::json golden() const
    {
        return readJson(kFolder / "ids" / (std::string(GetParam()) + ".json"));
    }
};

TEST_P(GoldenTokenizer, IdsAreAllEqual)
{
    const auto tokenizer = loadTokenizer(kFolder / GetParam());
    const auto expected = golden();
    ASSERT_EQ(expected.size(), texts().size());
    for (std::size_t i = 0; i < texts().size(); ++i) {
        const std::vector<TokenId> ids = expected[i]["ids"];
        EXPECT_EQ(tokenizer->encode(texts()[i], true), ids) << texts()[i];
    }
}

TEST_P(GoldenTokenizer, LegacyIdsAreAllEqual)
{
    const auto explicitly = tokenizerWith(GetParam(), R"({"legacy": true})");
    const auto byAbsence = tokenizerWith(GetParam(), "{}");
    const auto expected = golden();
    for (std::size_t i = 0; i < texts().size(); ++i) {
        const std::vector<TokenId> ids = expected[i]["ids_legacy"];
        EXPECT_EQ(explicitly->encode(texts()[i], true), ids) << texts()[i];
        EXPECT_EQ(byAbsence->encode(texts()[i], true), ids) << texts()[i];
    }
}

TEST_P(GoldenTokenizer, DecodedTextsAreAllEqual)
{
    const auto modern = loadTokenizer(kFolder / GetParam());
    const auto legacy = tokenizerWith(GetParam(), "{}");
    const auto expected = golden();
    for (std::size_t i = 0; i < texts().size(); ++i) {
        const std::string text = expected[i]["decoded"];
        const std::vector<TokenId> ids = expected[i]["ids"];
        EXPECT_EQ(modern->decode(std::span(ids).subspan(1), true), text);
        const std::vector<TokenId> legacyIds = expected[i]["ids_legacy"];
        EXPECT_EQ(legacy->decode(std::span(legacyIds).subspan(1), true), text);
    }
}

TEST_P(GoldenTokenizer, StreamedTextIsTheDecodedText)
{
    for (const char* config : {R"({"legacy": false})", "{}"}) {
        const auto tokenizer = tokenizerWith(GetParam(), config);
        for (const auto& expected : golden()) {
            const std::vector<TokenId> ids = expected["ids"];
            StreamingDecoder decoder(*tokenizer);
            std::string text;
            for (const TokenId id : ids) {
                text += decoder.push(id);
            }
            EXPECT_EQ(text + decoder.finish(), tokenizer->decode(ids, false));
        }
    }
}

TEST_P(GoldenTokenizer, StreamsOfRandomIdsAreTheirDecodedText)
{
    const auto tokenizer = loadTokenizer(kFolder / GetParam());
    std::mt19937 random(11);
    const auto vocabulary = static_cast<unsigned>(tokenizer->vocabularySize());
    for (int round = 0; round < 300; ++round) {
        std::vector<TokenId> ids;
        StreamingDecoder decoder(*tokenizer);
        std::string text;
        for (int i = 0; i < 120; ++i) {
            // Half of them bytes (ids 3 to 258), so that characters are split, broken and whole.
            const bool byte = round % 3 == 0 ? random() % 8 != 0 : random() % 2 == 0;
            ids.push_back(static_cast<TokenId>(byte ? 3 + random() % 256 : random() % vocabulary));
            text += decoder.push(ids.back());
        }
        ASSERT_EQ(text + decoder.finish(), tokenizer->decode(ids, false)) << "round " << round;
    }
}

TEST_P(GoldenTokenizer, CharactersSplitOverBytesAreStreamedWhole)
{
    const auto tokenizer = loadTokenizer(kFolder / GetParam());
    std::mt19937 random(5);
    std::string expected;
    std::vector<TokenId> ids;
    for (int i = 0; i < 2000; ++i) {
        const std::vector<std::string> characters = {"\xE4\xBD\xA0", "\xF0\x9F\x98\x80", "\xC3\xA9",
                                                     "A", "\xEF\xBF\xBD"};
        const std::string& character = characters[random() % characters.size()];
        expected += character;
        for (const char c : character) {
            ids.push_back(3 + static_cast<unsigned char>(c));
        }
    }
    StreamingDecoder decoder(*tokenizer);
    std::string text;
    for (const TokenId id : ids) {
        const std::string piece = decoder.push(id);
        text += piece;
        ASSERT_EQ(expected.compare(0, text.size(), text), 0); // never half a character
    }
    EXPECT_EQ(text + decoder.finish(), expected);
}

TEST_P(GoldenTokenizer, AnEndWithinACharacterIsAReplacementCharacter)
{
    const auto tokenizer = loadTokenizer(kFolder / GetParam());
    StreamingDecoder decoder(*tokenizer);
    EXPECT_EQ(decoder.push(3 + 'A'), "A");
    EXPECT_EQ(decoder.push(3 + 0xF0), "");
    EXPECT_EQ(decoder.push(3 + 0x9F), "");
    EXPECT_EQ(decoder.finish(), "\xEF\xBF\xBD\xEF\xBF\xBD");
    EXPECT_EQ(decoder.finish(), "");
}

/// The whole text in one call of the library.
std::vector<int> idsInOnePiece(const std::string& model, const std::string& text)
{
    sentencepiece::SentencePieceProcessor processor;
    EXPECT_TRUE(processor.LoadFromSerializedProto(model).ok());
    return processor.EncodeAsIds(text);
}

std::string randomText(std::mt19937& random, std::size_t size)
{
    const std::vector<std::string> parts = {"the ",
                                            "quick",
                                            " brown",
                                            "  ",
                                            "   ",
                                            "\n",
                                            "\n\n",
                                            "\r\n",
                                            "\t",
                                            ".",
                                            ", ",
                                            "\xE2\x96\x81",
                                            "a\xE2\x96\x81",
                                            "\xE4\xBD\xA0\xE5\xA5\xBD",
                                            "\xFF",
                                            "\xE4",
                                            "1234",
                                            "def f(x):\n    ",
                                            "....",
                                            "----",
                                            "==",
                                            "\xD0\x81 ",
                                            std::string(1, '\0'),
                                            "<0x0A>",
                                            "'s",
                                            "It",
                                            "ing"};
    std::string text;
    while (text.size() < size) {
        text += parts[random() % parts.size()];
    }
    return text;
}

TEST_P(GoldenTokenizer, LongTextsHaveTheIdsOfTheWholeText)
{
    const auto tokenizer = loadTokenizer(kFolder / GetParam());
    const std::string model = modelBytes(GetParam());
    std::mt19937 random(3);
    for (int round = 0; round < 4; ++round) {
        const std::string text = randomText(random, 100'000);
        const std::vector<TokenId> ids = tokenizer->encode(text, false);
        EXPECT_EQ(ids, idsInOnePiece(model, text));
    }
    // No line feeds, and no place at all that may be cut.
    for (const std::string& unit :
         {std::string("word "), std::string("a"), std::string(" "), std::string("\xE4\xBD\xA0")}) {
        std::string text;
        while (text.size() < 50'000) {
            text += unit;
        }
        EXPECT_EQ(tokenizer->encode(text, false), idsInOnePiece(model, text)) << unit;
    }
}

INSTANTIATE_TEST_SUITE_P(All, GoldenTokenizer, testing::Values("mistral-v1", "tiny-spm"));

TEST(Tokenizer, KnowsItsSizeAndMarks)
{
    const auto tokenizer = loadTokenizer(kFolder / "tiny-spm");
    EXPECT_EQ(tokenizer->vocabularySize(), 512);
    EXPECT_EQ(tokenizer->bosId(), 1);
    EXPECT_EQ(tokenizer->eosId(), 2);
}

TEST(Tokenizer, BosIsAddedOnlyWhenAskedAndAllowed)
{
    const auto tokenizer = loadTokenizer(kFolder / "mistral-v1");
    EXPECT_EQ(tokenizer->encode("a", false), std::vector<TokenId>{264});
    const auto without = tokenizerWith("mistral-v1", R"({"add_bos_token": false})");
    EXPECT_EQ(without->encode("a", true), std::vector<TokenId>{264});
}

TEST(Tokenizer, SpecialTokensAreLeftOutOfTextsUnlessKept)
{
    const auto tokenizer = loadTokenizer(kFolder / "mistral-v1");
    const std::vector<TokenId> ids = tokenizer->encode("Hello</s>", true);
    EXPECT_EQ(ids, (std::vector<TokenId>{1, 22557, 2}));
    EXPECT_EQ(tokenizer->decode(ids, false), "Hello");
    EXPECT_EQ(tokenizer->decode(ids, true), "<s> Hello</s>");
}

TEST(Tokenizer, AddedTokensHaveIdsOfTheirOwn)
{
    const auto tokenizer = tokenizerWith("tiny-spm", R"({"legacy": false, "added_tokens_decoder": {
        "512": {"content": "<|im_start|>", "special": true},
        "513": {"content": "<|im_start|>user", "special": true},
        "514": {"content": "[X]", "special": false, "lstrip": true, "rstrip": true}}})");
    EXPECT_EQ(tokenizer->vocabularySize(), 515);
    // The longest is taken; texts between are encoded without a dummy space.
    EXPECT_EQ(tokenizer->encode("<|im_start|>user<|im_start|><|im_start", false).front(), 513);
    EXPECT_EQ(tokenizer->encode("<|im_start|>user<|im_start|><|im_start", false)[1], 512);
    const std::vector<TokenId> ids = tokenizer->encode("a  [X]\n\t a", false);
    const std::vector<TokenId> plain = tokenizer->encode("<s>a", false);
    ASSERT_EQ(ids.size(), tokenizer->encode("a", false).size() + 1 + (plain.size() - 1));
    EXPECT_EQ(tokenizer->decode(ids, false), "a[X]a");
    EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{512, 514, 513}, false), "[X]");
}

TEST(Tokenizer, AddedTokensJsonIsRead)
{
    const TemporaryFolder folder;
    folder.write("tokenizer.model", modelBytes("tiny-spm"));
    folder.write("added_tokens.json", R"({"[PAD]": 512})");
    const auto tokenizer = loadTokenizer(folder.path());
    EXPECT_EQ(tokenizer->encode("[PAD]", false), std::vector<TokenId>{512});
    EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{512}, true), "[PAD]");
    EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{512}, false), "");
}

TEST(Tokenizer, MarksMayBeNamedByTheSettings)
{
    const auto tokenizer = tokenizerWith("tiny-spm", R"({"eos_token": {"content": "<|end|>"},
        "added_tokens_decoder": {"512": {"content": "<|end|>", "special": true}}})");
    EXPECT_EQ(tokenizer->eosId(), 512);
    EXPECT_EQ(tokenizer->bosId(), 1);
}

TEST(Tokenizer, IdsOutsideTheVocabularyAreRefused)
{
    const auto tokenizer = loadTokenizer(kFolder / "tiny-spm");
    for (const TokenId id : {-1, 512, 2147483647, -2147483647}) {
        const std::string message =
            messageOf<DataError>([&] { tokenizer->decode(std::vector<TokenId>{id}, true); });
        EXPECT_NE(message.find(std::to_string(id)), std::string::npos) << message;
    }
}

TEST(Tokenizer, AMissingTokenizerSaysWhatIsNeeded)
{
    const TemporaryFolder folder;
    EXPECT_NE(messageOf<DataError>([&] { loadTokenizer(folder.path()); }).find("tokenizer.model"),
              std::string::npos);
}

TEST(Tokenizer, BadSettingsAreRefusedByName)
{
    for (const auto& [config, part] : std::vector<std::pair<std::string, std::string>>{
             {"[]", "tokenizer_config.json"},
             {"{\"legacy\": ", "tokenizer_config.json"},
             {R"({"legacy": "yes"})", "legacy"},
             {R"({"legacy": true, "legacy": false})", "legacy"},
             {R"({"add_bos_token": 1})", "add_bos_token"},
             {R"({"bos_token": 7})", "bos_token"},
             {R"({"bos_token": {"text": "<s>"}})", "content"},
             {R"({"added_tokens_decoder": {"-1": {"content": "x"}}})", "-1"},
             {R"({"added_tokens_decoder": {"1x": {"content": "x"}}})", "1x"},
             {R"({"added_tokens_decoder": {"99999999999": {"content": "x"}}})", "99999999999"},
             {R"({"added_tokens_decoder": {"512": {"content": ""}}})", "512"},
             {R"({"added_tokens_decoder": {"512": {"content": "x", "single_word": true}}})",
              "single_word"},
             {R"({"added_tokens_decoder": {"512": {"content": "x"}, "513": {"content": "x"}}})",
              "two ids"},
             {std::string(100, '['), "tokenizer_config.json"}}) {
        const std::string message =
            messageOf<FormatError>([&] { tokenizerWith("tiny-spm", config); });
        EXPECT_NE(message.find(part), std::string::npos) << config << "\n" << message;
    }
}

TEST(Tokenizer, AnyBytesAreEncoded)
{
    const auto tokenizer = loadTokenizer(kFolder / "mistral-v1");
    std::mt19937 random(2);
    for (int round = 0; round < 200; ++round) {
        std::string text;
        for (int i = 0; i < 200; ++i) {
            text += static_cast<char>(random());
        }
        EXPECT_FALSE(tokenizer->encode(text, true).empty());
    }
}

TEST(Tokenizer, AModelWithUnusedPiecesIsEncodedInOnePiece)
{
    test::ModelProto model;
    model.pieces.push_back(test::piece("abab", -1, 5));
    const SentencePieceTokenizer tokenizer(model.bytes(), "m", {});
    std::string text;
    while (text.size() < 100'000) {
        text += "ababc ";
    }
    EXPECT_EQ(tokenizer.encode(text, false), idsInOnePiece(model.bytes(), text));
}

} // namespace
} // namespace longlora
