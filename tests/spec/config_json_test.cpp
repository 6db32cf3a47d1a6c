// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/config/config_json.h"
#include "core/spec/config/run_config_fields.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <wordexp.h>

#include <filesystem>

namespace longlora {
namespace {

using Json = nlohmann::ordered_json;

/// The headless contract's object with every default.
constexpr const char* kContract = R"({
  "model": "", "run_name": "", "seed": 42,
  "data": {"train": [], "validation": [], "format": "auto", "packing": "documents",
           "mask_documents": true, "template": "auto"},
  "context": {"length": 0, "rope": "linear", "factor": null},
  "attention": {"kind": "s2", "group": null, "group_ratio": 0.25, "edge": "clipped",
                "full_final_fraction": 0.0},
  "lora": {"rank": 8, "alpha": 16.0, "dropout": 0.0,
           "targets": ["q_proj", "k_proj", "v_proj", "o_proj"], "train_embeddings": true,
           "train_norms": true, "b_learning_rate_ratio": 1.0},
  "method": "lora", "quantization": "none",
  "optimizer": {"learning_rate": 2e-5, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8,
                "weight_decay": 0.0, "clip_norm": 1.0, "moments": "fp32"},
  "schedule": {"kind": "constant", "warmup_steps": 20, "steps": 1000, "epochs": null},
  "batch": {"micro_batch": 1, "accumulation": 8},
  "precision": {"compute": "auto", "deterministic": false},
  "memory": {"recompute": "auto", "offload": "auto", "tile": "auto"},
  "devices": {"kind": "auto", "ranks": 1, "sequence_parallel": 1},
  "evaluation": {"every_steps": 100, "passkey_every_steps": 0},
  "checkpoint": {"every_steps": 100, "keep": 2}
})";

/// Gives every field another value than its default.
struct ChangeEverything {
    int next = 0;

    void field(const Field&, bool& value) { value = !value; }
    void field(const Field&, std::int64_t& value) { value += 2 + next++ % 3; }
    void field(const Field&, double& value) { value = value * 0.3 + 0.0123456789012345; }
    void field(const Field&, std::string& value) { value += "x \"y\" 'z' $w \xc3\xa9"; }
    void field(const Field&, std::vector<std::string>& value)
    {
        value = {"a b.txt", "[c]", "\"d\""};
    }
    void field(const Field&, std::optional<std::int64_t>& value) { value = 1234; }
    void field(const Field&, std::optional<double>& value) { value = 2.7182818284590451; }
    template <class Enum>
    requires std::is_enum_v<Enum>
    void field(const Field&, Enum& value)
    {
        value = static_cast<Enum>((static_cast<std::size_t>(value) + 1) % kEnumNames<Enum>.size());
    }
    template <class Group>
    void group(std::string_view, std::string_view, Group& group)
    {
        visitFields(group, *this);
    }
};

RunConfig changedConfig()
{
    RunConfig config;
    ChangeEverything change;
    visitFields(config, change);
    config.lora.alpha = 7.25; // every double above the minimum of its field
    return config;
}

std::string refusal(const std::string& text)
{
    return test::messageOf<ConfigError>([&] { runConfigFromJson(text, "c.json"); });
}

std::string settingRefusal(const char* setting)
{
    RunConfig config;
    const std::string message =
        test::messageOf<ConfigError>([&] { applySetting(config, setting); });
    EXPECT_EQ(config, RunConfig()) << "a refused setting changed something: " << setting;
    return message;
}

TEST(ConfigJson, DefaultsAreTheContract)
{
    EXPECT_EQ(Json::parse(runConfigToJson(RunConfig())), Json::parse(kContract));
    EXPECT_EQ(runConfigFromJson(kContract, "c.json"), RunConfig());
    EXPECT_EQ(runConfigFromJson("{}", "c.json"), RunConfig());
}

TEST(ConfigJson, EveryFieldSurvivesTheRoundTripExactly)
{
    const RunConfig config = changedConfig();
    const Json changed = Json::parse(runConfigToJson(config)).flatten();
    const Json defaults = Json::parse(kContract).flatten();
    for (const auto& item : changed.items()) {
        EXPECT_NE(item.value(), defaults.value(item.key(), Json("absent")))
            << item.key() << " was not changed, so this test shows nothing for it";
    }
    EXPECT_EQ(runConfigFromJson(runConfigToJson(config), "c.json"), config);
}

TEST(ConfigJson, ReadsTheReferenceRuns)
{
    const std::filesystem::path training = std::filesystem::path(LONGLORA_GOLDEN_DIR) / "training";
    const RunConfig config = readRunConfig(training / "mha-extend-s2" / "run_config.json");
    EXPECT_EQ(config.model, "models/llama-mha");
    EXPECT_EQ(config.context.length, 128);
    EXPECT_EQ(config.attention.group, 32);
    EXPECT_EQ(config.precision.compute, ComputePrecision::Fp32);
    EXPECT_EQ(config.evaluation.everySteps, 0);
    EXPECT_EQ(config.checkpoint.everySteps, 100); // not said there
}

TEST(ConfigJson, UnknownKeysNameTheNearest)
{
    EXPECT_EQ(refusal(R"({"lora": {"rnak": 4}})"),
              "c.json: lora.rnak: unknown key; did you mean lora.rank?");
    EXPECT_EQ(refusal(R"({"modle": "x"})"), "c.json: modle: unknown key; did you mean model?");
    EXPECT_EQ(refusal(R"({"learning_rate": 1})"),
              "c.json: learning_rate: unknown key; did you mean optimizer.learning_rate?");
    EXPECT_EQ(refusal(R"({"batch": {"zzzzzzzz": 1}})"),
              "c.json: batch.zzzzzzzz: unknown key; known here: micro_batch, accumulation");
}

TEST(ConfigJson, WrongTypesAreNamed)
{
    EXPECT_EQ(refusal(R"({"lora": {"rank": 8.5}})"),
              "c.json: lora.rank: must be a whole number, not 8.5");
    EXPECT_EQ(refusal(R"({"lora": {"rank": null}})"),
              "c.json: lora.rank: must be a whole number, not null");
    EXPECT_EQ(refusal(R"({"lora": 4})"), "c.json: lora: must be an object, not 4");
    EXPECT_EQ(refusal(R"({"data": {"train": "a.txt"}})"),
              "c.json: data.train: must be a list of strings, not \"a.txt\"");
    EXPECT_EQ(refusal(R"({"data": {"train": ["a", 1]}})"),
              "c.json: data.train: must be a list of strings, not a list");
    EXPECT_EQ(refusal(R"({"lora": {"train_norms": 1}})"),
              "c.json: lora.train_norms: must be true or false, not 1");
    EXPECT_EQ(refusal(R"({"model": 1})"), "c.json: model: must be a string, not 1");
    EXPECT_EQ(refusal(R"({"optimizer": {"beta1": "0.9"}})"),
              "c.json: optimizer.beta1: must be a number, not \"0.9\"");
    EXPECT_EQ(refusal("[]"), "c.json: the configuration: must be an object, not a list");
}

TEST(ConfigJson, UnknownEnumeratorsListTheKnown)
{
    EXPECT_EQ(refusal(R"({"context": {"rope": "linaer"}})"),
              "c.json: context.rope: must be one of linear, ntk, yarn, llama3, none, "
              "not \"linaer\"");
    EXPECT_EQ(refusal(R"({"method": 1})"), "c.json: method: must be one of lora, full, not 1");
}

TEST(ConfigJson, NumbersOutOfRangeAreRefused)
{
    EXPECT_EQ(refusal(R"({"lora": {"rank": 0}})"), "c.json: lora.rank: 0 is outside 1 to 4096");
    EXPECT_EQ(refusal(R"({"seed": 18446744073709551615})").find("c.json: seed: 1.8446744073709"),
              0U);
    EXPECT_EQ(refusal(R"({"attention": {"full_final_fraction": 1.5}})"),
              "c.json: attention.full_final_fraction: 1.5 is outside 0 to 1");
}

TEST(ConfigJson, UnsoundTextIsAFormatError)
{
    const auto unsound = [](const std::string& text) {
        return test::messageOf<FormatError>([&] { runConfigFromJson(text, "c.json"); });
    };
    EXPECT_NE(unsound("{\"seed\": 1, \"seed\": 2}").find("key seed: the key stands twice"),
              std::string::npos);
    EXPECT_NE(unsound("{\"seed\": NaN}").find("c.json, line 1, column"), std::string::npos);
    EXPECT_NE(unsound("{\"seed\": ").find("not valid JSON"), std::string::npos);
    EXPECT_NE(unsound(std::string(100, '[') + std::string(100, ']')).find("nested deeper"),
              std::string::npos);
}

TEST(ApplySetting, SetsEveryKindOfField)
{
    RunConfig config;
    for (const char* setting :
         {"lora.rank=16", "optimizer.learning_rate=1e-3", "lora.train_norms=false",
          "attention.kind=full", "context.factor=4", "model=/models/a b", "run_name=12",
          "data.train=a.txt", R"(data.validation=["b.txt", "c.txt"])", "attention.group=2048"}) {
        applySetting(config, setting);
    }
    EXPECT_EQ(config.lora.rank, 16);
    EXPECT_EQ(config.optimizer.learningRate, 1e-3);
    EXPECT_FALSE(config.lora.trainNorms);
    EXPECT_EQ(config.attention.kind, AttentionKind::Full);
    EXPECT_EQ(config.context.factor, 4.0);
    EXPECT_EQ(config.model, "/models/a b");
    EXPECT_EQ(config.runName, "12");
    EXPECT_EQ(config.data.train, std::vector<std::string>{"a.txt"});
    EXPECT_EQ(config.data.validation, (std::vector<std::string>{"b.txt", "c.txt"}));
    EXPECT_EQ(config.attention.group, 2048);
    applySetting(config, "context.factor=null");
    applySetting(config, "data.validation=");
    applySetting(config, "run_name=");
    EXPECT_FALSE(config.context.factor);
    EXPECT_TRUE(config.data.validation.empty());
    EXPECT_TRUE(config.runName.empty());
}

TEST(ApplySetting, AnObjectChangesOnlyWhatItNames)
{
    RunConfig config;
    config.lora.alpha = 32;
    applySetting(config, R"(lora={"rank": 4})");
    EXPECT_EQ(config.lora.rank, 4);
    EXPECT_EQ(config.lora.alpha, 32);
}

TEST(ApplySetting, ValueMayHoldEqualsSigns)
{
    RunConfig config;
    applySetting(config, "model=/a=b/c");
    EXPECT_EQ(config.model, "/a=b/c");
}

TEST(ApplySetting, RefusesBadInput)
{
    EXPECT_NE(settingRefusal("lora.rank").find("has no key and value"), std::string::npos);
    EXPECT_NE(settingRefusal("=4").find("has no key and value"), std::string::npos);
    EXPECT_EQ(settingRefusal("lora.rnak=4"), "lora.rnak: unknown key; did you mean lora.rank?");
    EXPECT_EQ(settingRefusal("lora.rank=abc"), "lora.rank: must be a whole number, not \"abc\"");
    EXPECT_EQ(settingRefusal("lora.rank="), "lora.rank: must be a whole number, not \"\"");
    EXPECT_EQ(settingRefusal("lora.rank=16 17"),
              "lora.rank: must be a whole number, not \"16 17\"");
    EXPECT_EQ(settingRefusal("lora.rank=null"), "lora.rank: must be a whole number, not null");
    EXPECT_EQ(settingRefusal("lora.rank.x=1"), "lora.rank.x: unknown key; did you mean lora.rank?");
    EXPECT_EQ(settingRefusal("seed.x=1"), "seed: must be a whole number, not an object");
    EXPECT_EQ(settingRefusal("data.train=[\"a\""), "data.train: [\"a\" is not valid JSON");
    EXPECT_EQ(settingRefusal("optimizer.epsilon=nan"),
              "optimizer.epsilon: must be a number, not \"nan\"");
    EXPECT_EQ(settingRefusal("model=\xff"), "model: the value is not UTF-8 text");
}

/// Words of a POSIX command line.
std::vector<std::string> shellWords(const std::string& line)
{
    wordexp_t words{};
    EXPECT_EQ(::wordexp(line.c_str(), &words, WRDE_NOCMD | WRDE_UNDEF), 0) << line;
    std::vector<std::string> result(words.we_wordv, words.we_wordv + words.we_wordc);
    ::wordfree(&words);
    return result;
}

TEST(TrainCommandLine, NamesOnlyWhatDiffers)
{
    RunConfig config;
    EXPECT_EQ(trainCommandLine(config), "longlora train");
    config.model = "/models/llama 2";
    config.data.train = {"book.txt"};
    config.context.length = 32768;
    EXPECT_EQ(trainCommandLine(config), "longlora train --set 'model=/models/llama 2' --set "
                                        "data.train=book.txt --set context.length=32768");
}

TEST(TrainCommandLine, RepeatsEveryFieldThroughAShell)
{
    const RunConfig config = changedConfig();
    const std::vector<std::string> words = shellWords(trainCommandLine(config));
    RunConfig repeated;
    for (std::size_t i = 2; i < words.size(); i += 2) {
        ASSERT_EQ(words[i], "--set");
        applySetting(repeated, words.at(i + 1));
    }
    EXPECT_EQ(repeated, config);
}

TEST(TrainCommandLine, OddListsSurvive)
{
    for (const std::vector<std::string>& files :
         {std::vector<std::string>{}, {""}, {"[x"}, {"\"x"}, {"a", "b"}, {"it's"}}) {
        RunConfig config;
        config.lora.targets = files;
        const std::vector<std::string> words = shellWords(trainCommandLine(config));
        ASSERT_EQ(words.size(), 4U);
        RunConfig repeated;
        applySetting(repeated, words[3]);
        EXPECT_EQ(repeated, config) << words[3];
    }
}

/// Descriptions are complete: the form and the help print them.
struct DescriptionCheck {
    std::string prefix;

    template <class T>
    void field(const Field& field, const T&)
    {
        EXPECT_FALSE(field.key.empty());
        EXPECT_FALSE(field.label.empty()) << prefix << field.key;
        EXPECT_TRUE(field.doc.ends_with('.')) << prefix << field.key << ": " << field.doc;
        EXPECT_LE(field.minimum, field.maximum) << prefix << field.key;
    }
    template <class Group>
    void group(std::string_view key, std::string_view label, const Group& group)
    {
        EXPECT_FALSE(label.empty());
        DescriptionCheck nested{std::string(key) + "."};
        visitFields(group, nested);
    }
};

TEST(RunConfigFields, AreAllDescribed)
{
    const RunConfig config;
    DescriptionCheck check;
    visitFields(config, check);
}

} // namespace
} // namespace longlora
