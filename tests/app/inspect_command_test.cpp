// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/app/program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace longlora::test {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

/// Of something that can be used.
Json inspected(const fs::path& path)
{
    const Outcome outcome = run({"inspect", path, "--json"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.json();
}

/// Of something that cannot; its first problem is the last line of standard error.
std::string problemOf(const fs::path& path)
{
    const Outcome outcome = run({"inspect", path, "--json"});
    EXPECT_EQ(outcome.status, 3) << outcome.err;
    const Json json = outcome.json();
    EXPECT_FALSE(json.at("problems").empty());
    const std::string first = json.at("problems").at(0);
    EXPECT_NE(outcome.lastErrorLine().find(first), std::string::npos) << outcome.err;
    return first;
}

TEST(InspectCommand, KnowsEachKind)
{
    EXPECT_EQ(inspected("models/llama-gqa-llama3").at("kind"), "model");
    EXPECT_EQ(inspected("adapters/gqa-plain").at("kind"), "adapter");
    EXPECT_EQ(inspected("perplexity/tokens.bin").at("ids_if_uint16"), 1501);
    EXPECT_EQ(inspected("logits/llama-mha.safetensors").at("kind"), "safetensors");
    EXPECT_EQ(inspected("tokenizer/smollm2").at("kind"), "tokenizer");
    EXPECT_EQ(inspected("tokenizer/tiny-spm/tokenizer.model").at("tokens"), 512);
    EXPECT_EQ(inspected("training/gqa-llama3-s2/train.jsonl").at("kind"), "JSONL data");
    EXPECT_EQ(inspected("MAKING.md").at("kind"), "text");
    EXPECT_EQ(run({"inspect", "tokenizer/ids"}).status, 3);
}

TEST(InspectCommand, TellsAModelInReadingOrder)
{
    const Json json = inspected("models/llama-gqa-llama3");
    EXPECT_EQ(json.at("family"), "Llama");
    EXPECT_EQ(json.at("kv_heads"), 2);
    EXPECT_EQ(json.at("rope").get<std::string>().rfind("llama3 x 8", 0), 0U);
    EXPECT_EQ(json.at("weights"), "safetensors in 5 files");
    EXPECT_EQ(json.at("use"), "base: completes text");
    EXPECT_EQ(json.at("warnings").size(), 1U) << json.at("warnings").dump();
    EXPECT_TRUE(json.at("problems").empty());
    std::vector<std::string> keys;
    for (const auto& [key, value] : json.items()) {
        keys.push_back(key);
    }
    const std::vector<std::string> begin(keys.begin(), keys.begin() + 4);
    EXPECT_EQ(begin, (std::vector<std::string>{"kind", "family", "architecture", "parameters"}));
    const Outcome text = run({"inspect", "models/llama-gqa-llama3"});
    EXPECT_NE(text.out.find("  rope_meaning: slow frequencies are stretched by 8"),
              std::string::npos)
        << text.out;
    EXPECT_NE(text.out.find("  note: there is no tokenizer"), std::string::npos);
}

TEST(InspectCommand, AdaptersTellTheirBaseAndWhetherItIsHere)
{
    const ScratchFolder scratch;
    const Json unknown = inspected("adapters/gqa-plain");
    EXPECT_EQ(unknown.at("base_model"), "llama-gqa-llama3");
    EXPECT_EQ(unknown.at("base_found"), "");
    EXPECT_EQ(unknown.at("warnings").size(), 1U);
    fs::copy(golden("adapters/gqa-plain"), scratch / "adapter", fs::copy_options::recursive);
    copyOfModel("llama-gqa-llama3", scratch / "llama-gqa-llama3");
    EXPECT_EQ(inspected(scratch / "adapter").at("base_found"),
              (scratch / "llama-gqa-llama3").string());
}

TEST(InspectCommand, WhatCannotBeUsedIsExitStatusThree)
{
    const ScratchFolder scratch;
    const fs::path model = copyOfModel("llama-gqa-llama3", scratch / "model");
    fs::remove(model / "model-00003-of-00005.safetensors");
    EXPECT_NE(problemOf(model).find("model-00003-of-00005.safetensors"), std::string::npos);
    fs::remove(model / "config.json");
    EXPECT_NE(problemOf(model).find("config.json is missing"), std::string::npos);
    writeFile(scratch / "rows.jsonl", "{\"text\": \"a\"}\n{\"text\": }\n");
    EXPECT_NE(problemOf(scratch / "rows.jsonl").find("line 2"), std::string::npos);
    writeFile(scratch / "a.txt", "a\xff");
    EXPECT_NE(problemOf(scratch / "a.txt").find("UTF-8"), std::string::npos);
    writeFile(scratch / "ids.bin", "abc");
    EXPECT_NE(problemOf(scratch / "ids.bin").find("odd number"), std::string::npos);
}

} // namespace

} // namespace longlora::test
