// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/gguf_tokenizer.h"
#include "core/engine/checkpoint/gguf/pre_tokenizer_kind.h"
#include "core/spec/base/error.h"
#include "core/spec/text/bpe/byte_alphabet.h"
#include "core/spec/text/chat_template.h"
#include "core/spec/text/tokenizer.h"
#include "core/spec/text/utf8.h"
#include "tests/engine/checkpoint_folders.h"
#include "tests/engine/safetensors_text.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <set>

namespace longlora {
namespace {

namespace fs = std::filesystem;
using test::golden;
using test::holds;
using test::messageOf;
using test::TemporaryFolder;
using Json = nlohmann::ordered_json;
using Type = GgufValueType;

ModelConfig modelOf(std::int64_t vocabulary)
{
    ModelConfig config;
    config.architecture = "LlamaForCausalLM";
    config.vocabularySize = vocabulary;
    config.maxPositionEmbeddings = 2048;
    return config;
}

void writeFiles(const GgufMetadata& metadata, const ModelConfig& config, const fs::path& folder)
{
    fs::create_directories(folder);
    for (const TextFile& file : tokenizerFilesOf(metadata, config)) {
        test::writeBytes(folder / file.name, file.content);
    }
}

/// The tokenizer in `folder`, through the metadata of a GGUF file, in `to`.
GgufMetadata throughGguf(const fs::path& folder, const ModelConfig& config, const fs::path& to)
{
    GgufMetadata metadata("made.gguf");
    addGgufTokenizer(metadata, folder, config);
    writeFiles(metadata, config, to);
    return metadata;
}

Json readJson(const fs::path& file)
{
    return Json::parse(std::ifstream(file));
}

class GgufTokenizer : public testing::TestWithParam<std::string> {};

TEST_P(GgufTokenizer, GivesTheIdsOfTheReferenceAfterARoundTrip)
{
    const TemporaryFolder folder;
    const fs::path source = golden("tokenizer/" + GetParam());
    const auto before = loadTokenizer(source);
    const std::int64_t rows = before->vocabularySize() + 3; // more rows than tokens
    throughGguf(source, modelOf(rows), folder.path() / "back");
    const auto tokenizer = loadTokenizer(folder.path() / "back");
    EXPECT_EQ(tokenizer->vocabularySize(), before->vocabularySize());
    EXPECT_EQ(tokenizer->bosId(), before->bosId());
    EXPECT_EQ(tokenizer->eosId(), before->eosId());
    const Json texts = readJson(golden("tokenizer/texts.json"));
    const Json ids = readJson(golden("tokenizer/ids/" + GetParam() + ".json"));
    ASSERT_GT(texts.size(), 50U);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto text = texts[i].get<std::string>();
        EXPECT_EQ(Json(tokenizer->encode(text, true)), ids[i]["ids"]) << text;
        const auto expected = ids[i]["ids"].get<std::vector<TokenId>>();
        EXPECT_EQ(tokenizer->decode(expected, true), before->decode(expected, true));
    }
}

TEST_P(GgufTokenizer, IsWrittenTheSameASecondTime)
{
    const TemporaryFolder folder;
    const fs::path source = golden("tokenizer/" + GetParam());
    const ModelConfig config = modelOf(loadTokenizer(source)->vocabularySize());
    const GgufMetadata once = throughGguf(source, config, folder.path() / "once");
    const GgufMetadata twice = throughGguf(folder.path() / "once", config, folder.path() / "twice");
    ASSERT_EQ(once.entries().size(), twice.entries().size());
    for (std::size_t i = 0; i < once.entries().size(); ++i) {
        EXPECT_EQ(once.entries()[i].first, twice.entries()[i].first);
        EXPECT_EQ(once.entries()[i].second.data, twice.entries()[i].second.data)
            << once.entries()[i].first;
    }
}

INSTANTIATE_TEST_SUITE_P(Golden, GgufTokenizer,
                         testing::Values("tiny-spm", "mistral-v1", "smollm2"));

TEST(GgufTokenizerKinds, TheLegacyPrefixIsKept)
{
    const TemporaryFolder folder;
    test::copyGolden("tokenizer/tiny-spm", folder.path() / "legacy");
    test::editText(folder.path() / "legacy" / "tokenizer_config.json", "\"legacy\": false",
                   "\"legacy\": true");
    throughGguf(folder.path() / "legacy", modelOf(512), folder.path() / "back");
    const auto tokenizer = loadTokenizer(folder.path() / "back");
    const Json texts = readJson(golden("tokenizer/texts.json"));
    const Json ids = readJson(golden("tokenizer/ids/tiny-spm.json"));
    for (std::size_t i = 0; i < texts.size(); ++i) {
        EXPECT_EQ(Json(tokenizer->encode(texts[i].get<std::string>(), true)), ids[i]["ids_legacy"]);
    }
}

TEST(GgufTokenizerKinds, AddedTokensKeepTheirIdsAndKinds)
{
    const TemporaryFolder folder;
    const fs::path source = folder.path() / "source";
    test::copyGolden("tokenizer/tiny-spm", source);
    test::editText(source / "tokenizer_config.json", "\"legacy\": false", R"("legacy": false,
 "added_tokens_decoder": {
  "512": {"content": "<|im_start|>", "special": true, "normalized": false},
  "513": {"content": "two words", "special": false, "normalized": false}})");
    throughGguf(source, modelOf(520), folder.path() / "back");
    const auto before = loadTokenizer(source);
    const auto after = loadTokenizer(folder.path() / "back");
    const std::string text = "<|im_start|>these two words<|im_start|>";
    EXPECT_EQ(after->encode(text, true), before->encode(text, true));
    const std::vector<TokenId> ids = {512, 513};
    EXPECT_EQ(after->decode(ids, false), "two words");
    EXPECT_EQ(after->vocabularySize(), 514);
}

TEST(GgufTokenizerKinds, TheChatTemplateIsKept)
{
    const TemporaryFolder folder;
    throughGguf(golden("tokenizer/smollm2"), modelOf(49152), folder.path() / "back");
    EXPECT_EQ(readChatTemplateSource(folder.path() / "back")->text,
              readChatTemplateSource(golden("tokenizer/smollm2"))->text);
}

/// All bytes and a few merges, prepared as `kind` does.
void writeVariant(const PreTokenizerKind& kind, const fs::path& folder)
{
    fs::create_directories(folder);
    Json vocab = Json::object();
    for (int byte = 0; byte < 256; ++byte) {
        std::string token;
        appendUtf8(token, characterOfByte(static_cast<unsigned char>(byte)));
        vocab[token] = byte;
    }
    Json merges = Json::array();
    for (const auto& [left, right] :
         {std::pair("1", "2"), {"12", "3"}, {"'", "L"}, {"L", "L"}, {"a", "b"}}) {
        merges.push_back(Json::array({left, right}));
        vocab[std::string(left) + right] = vocab.size();
    }
    vocab["xyz"] = vocab.size(); // no merges lead to it
    const Json json = {{"version", "1.0"},
                       {"normalizer", Json::parse(normalizerJson(kind))},
                       {"pre_tokenizer", Json::parse(preTokenizerJson(kind))},
                       {"decoder", {{"type", "ByteLevel"}}},
                       {"model",
                        {{"type", "BPE"},
                         {"ignore_merges", kind.ignoresMerges},
                         {"vocab", vocab},
                         {"merges", merges}}}};
    test::writeBytes(folder / "tokenizer.json", json.dump());
}

TEST(GgufTokenizerKinds, EveryKnownPreTokenizerComesBackByItsName)
{
    const TemporaryFolder folder;
    const std::string text = "xyz it'LL be 12345 cafe\xCC\x81!\n\n";
    std::set<std::vector<TokenId>> all;
    for (const char* name : {"gpt-2", "olmo", "smollm", "llama-bpe", "smaug-bpe", "qwen2"}) {
        const fs::path source = folder.path() / name;
        writeVariant(*findPreTokenizer(name), source);
        const fs::path back = folder.path() / (std::string(name) + "-back");
        const GgufMetadata metadata = throughGguf(source, modelOf(300), back);
        EXPECT_EQ(metadata.text("tokenizer.ggml.pre"), name);
        const std::vector<TokenId> ids = loadTokenizer(back)->encode(text, false);
        EXPECT_EQ(ids, loadTokenizer(source)->encode(text, false)) << name;
        all.insert(ids);
    }
    EXPECT_EQ(all.size(), 6U); // each does something of its own
}

TEST(GgufTokenizerKinds, PreTokenizersThatAreNotKnownAreRefusedByName)
{
    GgufMetadata metadata("made.gguf");
    addGgufTokenizer(metadata, golden("tokenizer/smollm2"), modelOf(49152));
    const auto refusal = [&](const char* name) {
        GgufMetadata changed("made.gguf");
        for (const auto& [key, value] : metadata.entries()) {
            if (key != "tokenizer.ggml.pre") {
                changed.add(key, value);
            } else if (name != nullptr) {
                changed.add(key, GgufValue::text(name));
            }
        }
        return messageOf<FormatError>([&] { tokenizerFilesOf(changed, modelOf(49152)); });
    };
    EXPECT_TRUE(holds(refusal("tekken"), "\"tekken\" splits a text is not known exactly"));
    EXPECT_TRUE(holds(refusal("default"), "does not say how a text is split"));
    EXPECT_TRUE(holds(refusal(nullptr), "does not say how a text is split"));
}

TEST(GgufTokenizerKinds, WhatLlamaCppHasNoPreTokenizerForIsRefused)
{
    const TemporaryFolder folder;
    const auto refusal = [&](const char* key, const Json& value) {
        // Not Json: it looks for every key of the vocabulary among those before it.
        auto json =
            nlohmann::json::parse(std::ifstream(golden("tokenizer/smollm2/tokenizer.json")));
        json[key] = value;
        test::writeBytes(folder.path() / "tokenizer.json", json.dump());
        GgufMetadata metadata;
        return messageOf<DataError>(
            [&] { addGgufTokenizer(metadata, folder.path(), modelOf(49152)); });
    };
    EXPECT_TRUE(holds(refusal("normalizer", {{"type", "Prepend"}, {"prepend", "x"}}),
                      "no tokenizer that is known"));
    const Json split = {{"type", "Split"},
                        {"pattern", {{"Regex", "x+"}}},
                        {"behavior", "Isolated"},
                        {"invert", false}};
    const Json bytes = {{"type", "ByteLevel"},
                        {"add_prefix_space", false},
                        {"trim_offsets", true},
                        {"use_regex", false}};
    const Json sequence = {{"type", "Sequence"}, {"pretokenizers", Json::array({split, bytes})}};
    EXPECT_TRUE(holds(refusal("pre_tokenizer", sequence), "no tokenizer that is known"));

    GgufMetadata metadata;
    EXPECT_TRUE(holds(messageOf<DataError>([&] {
                          addGgufTokenizer(metadata, golden("tokenizer/tiny-bpe"), modelOf(512));
                      }),
                      "tokenizer.model beside it"));
    GgufMetadata small;
    EXPECT_TRUE(holds(messageOf<DataError>([&] {
                          addGgufTokenizer(small, golden("tokenizer/tiny-spm"), modelOf(511));
                      }),
                      "Token 511 has no row"));
}

TEST(GgufTokenizerKinds, AFolderWithoutATokenizerGivesAFileWithoutOne)
{
    const TemporaryFolder folder;
    ModelConfig config = modelOf(8);
    config.bosTokenId = 1;
    config.eosTokenIds = {2, 5};
    const GgufMetadata metadata = throughGguf(folder.path(), config, folder.path() / "back");
    EXPECT_EQ(metadata.text("tokenizer.ggml.model"), "none");
    EXPECT_EQ(metadata.integer("tokenizer.ggml.bos_token_id", 0, 9), 1);
    EXPECT_EQ(metadata.integer("tokenizer.ggml.eos_token_id", 0, 9), 2);
    EXPECT_EQ(metadata.integer("tokenizer.ggml.eot_token_id", 0, 9), 5);
    EXPECT_TRUE(fs::is_empty(folder.path() / "back"));
}

/// The smallest vocabulary of byte-level tokens, to be damaged.
GgufMetadata bytePairs(std::vector<std::string> tokens, std::vector<std::string> merges)
{
    GgufMetadata metadata("made.gguf");
    metadata.add("tokenizer.ggml.model", GgufValue::text("gpt2"));
    metadata.add("tokenizer.ggml.pre", GgufValue::text("gpt-2"));
    metadata.add("tokenizer.ggml.tokens", {Type::String, std::move(tokens)});
    metadata.add("tokenizer.ggml.merges", {Type::String, std::move(merges)});
    return metadata;
}

TEST(GgufTokenizerKinds, DamagedBytePairsAreRefusedByKey)
{
    const auto refusal = [](const GgufMetadata& metadata) {
        return messageOf<FormatError>([&] { tokenizerFilesOf(metadata, modelOf(8)); });
    };
    EXPECT_EQ(refusal(bytePairs({"a", "b", "ab"}, {"a b"})), "");
    EXPECT_TRUE(holds(refusal(bytePairs({"a", "a"}, {})), "token 1, \"a\", stands there twice"));
    EXPECT_TRUE(holds(refusal(bytePairs({"a", "\xFF"}, {})), "token 1 is not UTF-8"));
    EXPECT_TRUE(holds(refusal(bytePairs({"a", "b"}, {"ab"})), "merge 0, \"ab\", is not two"));
    EXPECT_TRUE(holds(refusal(bytePairs({"a", "b"}, {"a "})), "is not two tokens"));
    EXPECT_TRUE(holds(refusal(bytePairs({"a", "b"}, {""})), "is not two tokens"));
}

} // namespace
} // namespace longlora
