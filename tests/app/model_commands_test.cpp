// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/safetensors.h"
#include "tests/app/program.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

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

/// Largest over positions of max|a - b| / max|b|.
double relativeError(const at::Tensor& a, const at::Tensor& b)
{
    return ((a - b).abs().amax(-1) / b.abs().amax(-1)).max().item().toDouble();
}

/// Writes the ids of a golden file as the JSON that `longlora logits` reads.
void writeIds(const fs::path& file, const at::Tensor& ids)
{
    const auto* begin = ids.const_data_ptr<std::int64_t>();
    writeFile(file, Json(std::vector<std::int64_t>(begin, begin + ids.numel())).dump());
}

struct LogitsCase {
    std::string model, attention, edge, group, tensor;
};

class LogitsCommand : public ::testing::TestWithParam<LogitsCase> {};

TEST_P(LogitsCommand, AreTheReferences)
{
    const LogitsCase& one = GetParam();
    const ScratchFolder scratch;
    const SafetensorsFile expected =
        SafetensorsFile::open(golden("logits/" + one.model + ".safetensors"));
    writeIds(scratch / "ids.json", expected.tensor("ids").contiguous());
    const Json json =
        jsonOf({"logits", "--model", "models/" + one.model, "--ids", scratch / "ids.json", "--out",
                scratch / "out.safetensors", "--attention", one.attention, "--edge", one.edge,
                "--group", one.group});
    const SafetensorsFile made = SafetensorsFile::open(scratch / "out.safetensors");
    const at::Tensor logits = made.tensor("logits");
    EXPECT_EQ(logits.scalar_type(), at::kFloat);
    EXPECT_EQ(json.at("shape"), logits.sizes().vec());
    const at::Tensor rows = logits.index_select(0, expected.tensor("rows").to(at::kLong));
    EXPECT_LT(relativeError(rows, expected.tensor(one.tensor)), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(
    Each, LogitsCommand,
    ::testing::Values(LogitsCase{"llama-mha", "full", "clipped", "24", "logits_full"},
                      LogitsCase{"llama-mha", "s2", "clipped", "24", "logits_s2_clipped_g24"},
                      LogitsCase{"llama-gqa-llama3", "s2", "circular", "38",
                                 "logits_s2_circular_g38"},
                      LogitsCase{"llama-linear", "s2", "clipped", "38", "logits_s2_clipped_g38"}));

TEST(LogitsWithAdapter, AreTheReferences)
{
    const ScratchFolder scratch;
    const SafetensorsFile expected =
        SafetensorsFile::open(golden("adapters/gqa-plain/logits.safetensors"));
    writeIds(scratch / "ids.json", expected.tensor("ids").contiguous());
    jsonOf({"logits", "--model", "models/llama-gqa-llama3", "--adapter", "adapters/gqa-plain",
            "--ids", scratch / "ids.json", "--out", scratch / "out.safetensors"});
    const SafetensorsFile made = SafetensorsFile::open(scratch / "out.safetensors");
    EXPECT_LT(relativeError(made.tensor("logits"), expected.tensor("logits_adapter")), 1e-4);
}

TEST(PerplexityCommand, MeasuresByBothRules)
{
    const Json expected = Json::parse(readFile(golden("perplexity/expected.json")));
    int compared = 0;
    for (const Json& row : expected.at("results")) {
        const Json json =
            jsonOf({"evaluate", "perplexity", "--model", kModel, "--data", "perplexity/tokens.bin",
                    "--context", row.at("context").dump(), "--stride", row.at("stride").dump(),
                    "--rule", row.at("rule"), "--attention", row.at("attention")});
        const Json& result = json.at("results").at(0);
        EXPECT_EQ(result.at("context"), row.at("context"));
        EXPECT_EQ(result.at("tokens"), row.at("tokens")) << row.dump();
        EXPECT_EQ(result.at("windows"), row.at("windows")) << row.dump();
        EXPECT_NEAR(result.at("perplexity").get<double>() / row.at("perplexity").get<double>(), 1.0,
                    1e-4)
            << row.dump();
        ++compared;
    }
    EXPECT_GT(compared, 3);
}

TEST(PerplexityCommand, TakesTextAndSeveralContexts)
{
    const ScratchFolder scratch;
    writeFile(scratch / "text.txt", "What light through yonder window breaks?\n"
                                    "It is the east, and Juliet is the sun.\n");
    const Json json = jsonOf({"evaluate", "perplexity", "--model", kModel, "--data",
                              scratch / "text.txt", "--context", "16,32", "--stride", "8"});
    ASSERT_EQ(json.at("results").size(), 2U);
    const Json ids = jsonOf({"tokenize", "--model", kModel, "--file", scratch / "text.txt"});
    // Without the BOS; the first token has no predecessor.
    EXPECT_EQ(json.at("results").at(0).at("tokens").get<int>(), ids.at("count").get<int>() - 2);
}

TEST(PasskeyCommand, CountsAndWritesThePrompts)
{
    const ScratchFolder scratch;
    const Json json =
        jsonOf({"evaluate", "passkey", "--model", kModel, "--lengths", "200,240", "--depths", "0,1",
                "--trials", "2", "--prompts-out", scratch / "prompts.json"});
    ASSERT_EQ(json.at("results").size(), 4U);
    for (const Json& cell : json.at("results")) {
        EXPECT_EQ(cell.at("trials"), 2);
        EXPECT_LE(cell.at("correct").get<int>(), 2);
    }
    const Json prompts = Json::parse(readFile(scratch / "prompts.json"));
    ASSERT_EQ(prompts.size(), 8U);
    const std::string answer = prompts.at(0).at("answer");
    EXPECT_NE(prompts.at(0).at("prompt").get<std::string>().find("The pass key is " + answer),
              std::string::npos);
}

TEST(MergeCommand, ProvesItselfAndEqualsTheAdapter)
{
    const ScratchFolder scratch;
    const Json json = jsonOf({"merge", "--base", "models/llama-gqa-llama3", "--adapter",
                              "adapters/gqa-plain", "--out", scratch / "merged"});
    EXPECT_LT(json.at("max_abs_logit_error").get<double>(), 1e-4);
    EXPECT_LE(json.at("mean_abs_logit_error").get<double>(),
              json.at("max_abs_logit_error").get<double>());
    EXPECT_TRUE(json.at("verified").get<bool>());
    EXPECT_GT(json.at("tensors").get<int>(), 0);
    EXPECT_GT(json.at("bytes").get<double>(), 0.0);

    const SafetensorsFile expected =
        SafetensorsFile::open(golden("adapters/gqa-plain/logits.safetensors"));
    writeIds(scratch / "ids.json", expected.tensor("ids").contiguous());
    jsonOf({"logits", "--model", scratch / "merged", "--ids", scratch / "ids.json", "--out",
            scratch / "out.safetensors"});
    const SafetensorsFile made = SafetensorsFile::open(scratch / "out.safetensors");
    EXPECT_LT(relativeError(made.tensor("logits"), expected.tensor("logits_adapter")), 1e-4);
    EXPECT_EQ(jsonOf({"inspect", scratch / "merged"}).at("problems").size(), 0U);
}

TEST(MergeCommand, SaysThatItDidNotVerify)
{
    const ScratchFolder scratch;
    const Json json =
        jsonOf({"merge", "--base", "models/llama-gqa-llama3", "--adapter", "adapters/gqa-plain",
                "--out", scratch / "merged", "--no-verify", "--dtype", "bf16"});
    EXPECT_FALSE(json.at("verified").get<bool>());
    EXPECT_TRUE(json.at("max_abs_logit_error").is_null());
    EXPECT_EQ(json.at("dtype"), "bf16");
}

TEST(MergeCommand, DividesWeightsAmongFiles)
{
    const ScratchFolder scratch;
    const Json json =
        jsonOf({"merge", "--base", "models/llama-gqa-llama3", "--adapter", "adapters/gqa-plain",
                "--out", scratch / "merged", "--max-shard-size", "100KB"});
    EXPECT_GT(json.at("files").get<int>(), 1);
    EXPECT_TRUE(json.at("reread_equal").get<bool>());
    EXPECT_TRUE(fs::exists(scratch / "merged/model.safetensors.index.json"));
    EXPECT_EQ(jsonOf({"inspect", scratch / "merged"}).at("problems").size(), 0U);
}

TEST(MergeCommand, WritesAGgufFile)
{
    const ScratchFolder scratch;
    std::string text;
    for (int line = 0; line < 200; ++line) {
        text += "Now is the winter of our discontent made glorious summer.\n";
    }
    writeFile(scratch / "text.txt", text);
    jsonOf({"train", "--set", std::string("model=") + kModel, "--set",
            "data.train=" + (scratch / "text.txt").string(), "--set", "context.length=256", "--set",
            "schedule.steps=1", "--run", scratch / "run"});
    const Json json =
        jsonOf({"merge", "--base", kModel, "--adapter", scratch / "run/adapter", "--out",
                scratch / "merged.gguf", "--format", "gguf", "--dtype", "f16"});
    EXPECT_TRUE(json.at("verified").get<bool>());
    EXPECT_EQ(json.at("dtype"), "f16");
    EXPECT_EQ(json.at("bytes"), fs::file_size(scratch / "merged.gguf"));
    EXPECT_EQ(jsonOf({"inspect", scratch / "merged.gguf"}).at("problems").size(), 0U);
}

TEST(MergeCommand, KeepsWhatItReplaces)
{
    const ScratchFolder scratch;
    const std::vector<std::string> merge = {"merge",
                                            "--base",
                                            "models/llama-gqa-llama3",
                                            "--adapter",
                                            "adapters/gqa-plain",
                                            "--out",
                                            scratch / "merged",
                                            "--no-verify"};
    EXPECT_TRUE(jsonOf(merge).at("replaced").is_null());
    EXPECT_EQ(run(merge).status, 2) << "an output that exists";
    std::vector<std::string> again = merge;
    again.emplace_back("--replace");
    EXPECT_EQ(jsonOf(again).at("replaced"), (scratch / "merged.replaced").string());
    EXPECT_TRUE(fs::exists(scratch / "merged.replaced/model.safetensors"));
}

TEST(MergeCommand, RefusesValuesThatItDoesNotKnow)
{
    const ScratchFolder scratch;
    for (const auto& [option, value] : {std::pair{"--max-shard-size", "five"},
                                        {"--positions", "doubled"},
                                        {"--format", "onnx"},
                                        {"--dtype", "int3"}}) {
        const Outcome outcome =
            run({"merge", "--base", "models/llama-gqa-llama3", "--adapter", "adapters/gqa-plain",
                 "--out", scratch / "merged", option, value});
        EXPECT_EQ(outcome.status, 2) << option;
        EXPECT_NE(outcome.lastErrorLine().find(option), std::string::npos) << outcome.err;
        EXPECT_FALSE(fs::exists(scratch / "merged"));
    }
}

TEST(TokenizeCommand, GivesTheReferenceIdsAndTheTextBack)
{
    const Json texts = Json::parse(readFile(golden("tokenizer/texts.json")));
    const Json expected = Json::parse(readFile(golden("tokenizer/ids/tiny-spm.json")));
    const ScratchFolder scratch;
    // One process per text: a few stand for all, which the tokenizer's own tests compare.
    for (std::size_t i = 0; i < texts.size(); i += 7) {
        writeFile(scratch / "text.txt", texts.at(i).get<std::string>());
        const Json json =
            jsonOf({"tokenize", "--model", "tokenizer/tiny-spm", "--file", scratch / "text.txt"});
        EXPECT_EQ(json.at("ids"), expected.at(i).at("ids")) << texts.at(i).dump();
        EXPECT_EQ(json.at("count"), json.at("ids").size());
    }
    const std::string text = "Good night, good night!";
    const Outcome ids = run({"tokenize", "--model", "tokenizer/tiny-spm", "--text", text});
    const Json back = jsonOf({"tokenize", "--model", "tokenizer/tiny-spm", "--decode", ids.out});
    EXPECT_EQ(back.at("text"), "<s> " + text) << ids.out;
}

TEST(TokenizeCommand, TakesATextALine)
{
    const ScratchFolder scratch;
    const std::string model = "tokenizer/tiny-spm";
    writeFile(scratch / "texts.jsonl", "\"Good \\n night\"\n\"\"\n\"\u00e9\"");
    const Json json = jsonOf({"tokenize", "--model", model, "--lines", scratch / "texts.jsonl"});
    ASSERT_EQ(json.at("ids").size(), 3U);
    EXPECT_EQ(json.at("ids").at(0),
              jsonOf({"tokenize", "--model", model, "--text", "Good \n night"}).at("ids"));
    EXPECT_EQ(json.at("ids").at(1), Json::array({1}));
    EXPECT_EQ(json.at("count").get<std::size_t>(),
              json.at("ids").at(0).size() + 1 + json.at("ids").at(2).size());

    writeFile(scratch / "texts.jsonl", "\"a\"\n{\"text\": 1}\n");
    const Outcome refused = run({"tokenize", "--model", model, "--lines", scratch / "texts.jsonl"});
    EXPECT_EQ(refused.status, 3);
    EXPECT_NE(refused.err.find("line 2 is not a JSON string"), std::string::npos) << refused.err;
}

TEST(PlanCommand, ItemsAddUp)
{
    const Json json = jsonOf({"plan", "--config", "training/mha-extend-s2/run_config.json"});
    double sum = 0.0;
    for (const Json& item : json.at("items")) {
        sum += item.at("bytes").get<double>();
        EXPECT_FALSE(item.at("name").get<std::string>().empty());
        EXPECT_FALSE(item.at("formula").get<std::string>().empty());
    }
    EXPECT_NEAR(sum, json.at("peak_bytes").get<double>(), 1.0);
    EXPECT_TRUE(json.at("fits").get<bool>());
    EXPECT_TRUE(json.contains("seconds_per_step"));
    EXPECT_GE(json.at("largest_context").get<int>(), 128);
    const Json small = jsonOf(
        {"plan", "--config", "training/mha-extend-s2/run_config.json", "--device-memory", "1KiB"});
    EXPECT_FALSE(small.at("fits").get<bool>());
}

TEST(PlanCommand, ForecastsDevicesThatAreNotHere)
{
    const Json json =
        jsonOf({"plan", "--preset", "paper-7b-100k", "--device", "8xA100-80", "--frontier"});
    EXPECT_EQ(json.at("verdict"), "fits");
    EXPECT_EQ(json.at("device").at("count"), 8);
    EXPECT_NE(json.at("device").at("source").get<std::string>().find("data sheet"),
              std::string::npos);
    double seconds = 0.0;
    for (const Json& item : json.at("time_items")) {
        seconds += item.at("seconds").get<double>();
    }
    EXPECT_NEAR(seconds, json.at("seconds_per_step").get<double>(), 1e-6);
    EXPECT_NEAR(json.at("tokens_per_second").get<double>(), 64 * 100000 / seconds, 1.0);
    EXPECT_GT(json.at("hfu").get<double>(), json.at("mfu").get<double>());
    EXPECT_FALSE(json.at("sharding").get<std::string>().empty());
    EXPECT_GT(json.at("frontier").size(), 30U);
    // It must not promise what `train` refuses.
    ASSERT_EQ(json.at("not_trainable").size(), 1U);
    EXPECT_NE(json.at("not_trainable").at(0).get<std::string>().find("devices.ranks 8"),
              std::string::npos);
    const Json one = jsonOf(
        {"plan", "--shape", "llama2-7b", "--device", "h200", "--set", "context.length=100000"});
    EXPECT_TRUE(one.at("not_trainable").empty());
    EXPECT_EQ(one.at("sharding"), "");
}

TEST(PlanCommand, RefusesWhatCannotBeMeant)
{
    const auto refused = [](std::vector<std::string> more, const std::string& said) {
        std::vector<std::string> arguments{"plan", "--preset", "paper-7b-8k"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.status, 2) << outcome.err;
        EXPECT_NE(outcome.lastErrorLine().find(said), std::string::npos) << outcome.err;
    };
    refused({"--device", "A100-81"}, "Did you mean A100-80");
    refused({"--device", "8xH200", "--devices", "4"}, "different numbers");
    refused({"--devices", "0"}, "--devices");
    refused({"--shape", "llama9"}, "Known: llama2-13b");
    refused({"--config", "training/mha-extend-s2/run_config.json"}, "--preset");
    refused({"--set", "devices.sequence_parallel=3"}, "do not divide");
    refused({"--set", "memory.offload=on", "--set", "devices.kind=cpu"}, "devices.kind is cpu");
    refused({"--device", "H200", "--set", "precision.compute=fp64"}, "GPU");
    EXPECT_EQ(run({"plan", "--preset", "paper-7b-9k"}).status, 2);
}

TEST(PlanCommand, WhatDoesNotFitComesWithThreeThatDo)
{
    const std::vector<std::string> arguments{"plan",     "--preset", "single-80gb-7b-100k",
                                             "--device", "4090",     "--json"};
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 0);
    const Json json = outcome.json();
    EXPECT_FALSE(json.at("fits").get<bool>());
    EXPECT_EQ(json.at("alternatives").size(), 3U);
    EXPECT_NE(outcome.lastErrorLine().find("does not fit"), std::string::npos);
    EXPECT_NE(outcome.lastErrorLine().find("--set context.length="), std::string::npos);
}

TEST(SelfCheckCommand, Passes)
{
    const Json json = jsonOf({"self-check", "--device", "cpu"});
    EXPECT_TRUE(json.at("passed").get<bool>());
    ASSERT_FALSE(json.at("cases").empty());
    for (const Json& one : json.at("cases")) {
        EXPECT_LE(one.at("error").get<double>(), one.at("tolerance").get<double>())
            << one.at("name");
    }
}

TEST(DoctorCommand, TellsTheMachine)
{
    const Json json = jsonOf({"doctor"});
    EXPECT_GT(json.at("memory_available_bytes").get<double>(), 0.0);
    EXPECT_TRUE(json.contains("problems"));
}

TEST(ModelArgument, MayBeANameInTheHuggingFaceCache)
{
    const ScratchFolder scratch;
    const fs::path entry = scratch / "models--plays--tiny";
    fs::create_directories(entry / "snapshots");
    fs::create_directories(entry / "refs");
    copyOfModel("tiny-shakespeare", entry / "snapshots" / "0123abcd");
    writeFile(entry / "refs" / "main", "0123abcd");
    Program::Options options;
    options.environment = {"HF_HUB_CACHE=" + scratch.path().string()};
    const Outcome found = run({"tokenize", "--model", "plays/tiny", "--text", "x"}, options);
    EXPECT_EQ(found.status, 0) << found.err;
    const Outcome near = run({"tokenize", "--model", "plays/tiny2", "--text", "x"}, options);
    EXPECT_EQ(near.status, 3);
    EXPECT_NE(near.lastErrorLine().find("Did you mean plays/tiny?"), std::string::npos) << near.err;
}

} // namespace

} // namespace longlora::test
