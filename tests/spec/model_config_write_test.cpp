// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/model_config.h"
#include "tests/spec/model_config_text.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace longlora {
namespace {

using Json = nlohmann::ordered_json;
using test::goldenModel;
using test::readText;
using test::TemporaryFolder;

TEST(ModelConfigJson, ReadsBackEqual)
{
    for (const char* name : {"llama-mha", "llama-linear", "llama-gqa-llama3", "llama-yarn",
                             "llama-dynamic", "mistral-gqa", "qwen2", "qwen3", "gpt-neox"}) {
        const ModelConfig model = readModelConfig(goldenModel(name));
        const ModelConfig again = readText(modelConfigJson(model));
        EXPECT_EQ(again, model) << name;
    }
}

TEST(ModelConfigJson, ReadsBackEqualInEveryVariant)
{
    ModelConfig mistral = readModelConfig(goldenModel("mistral-gqa"));
    mistral.slidingWindow = 77;
    EXPECT_EQ(readText(modelConfigJson(mistral)), mistral);
    ModelConfig qwen = readModelConfig(goldenModel("qwen2"));
    qwen.slidingWindow = 99;
    EXPECT_EQ(readText(modelConfigJson(qwen)), qwen);
    ModelConfig neox = readModelConfig(goldenModel("gpt-neox"));
    neox.parallelResidual = neox.attentionOutputBias = neox.queryKeyValueBias = false;
    neox.activation = Activation::GeluTanh;
    neox.rotaryFraction = 0.5;
    neox.rope.kind = RopeKind::Linear;
    neox.rope.factor = 3;
    neox.rope.theta = 12345;
    EXPECT_EQ(readText(modelConfigJson(neox)), neox);
    ModelConfig llama = readModelConfig(goldenModel("llama-mha"));
    llama.attentionOutputBias = llama.queryKeyValueBias = llama.mlpBias = true;
    EXPECT_EQ(readText(modelConfigJson(llama)), llama);
}

TEST(RewriteModelConfig, MovesNeoxRotationToThePlacesOfTransformers4)
{
    const TemporaryFolder folder;
    Json config = Json::parse(test::contentOf(goldenModel("gpt-neox") / "config.json"));
    for (const char* key : {"rotary_pct", "rotary_emb_base", "rope_scaling"}) {
        config.erase(key);
    }
    config["rope_parameters"] = {
        {"rope_type", "default"}, {"rope_theta", 10000.0}, {"partial_rotary_factor", 0.5}};
    folder.write("config.json", config.dump());
    ModelConfigChanges changes;
    changes.rope = readModelConfig(folder.path()).rope;
    changes.rope.kind = RopeKind::Linear;
    changes.rope.factor = 2;
    const Json after = Json::parse(rewriteModelConfig(folder.path(), changes));
    EXPECT_FALSE(after.contains("rope_parameters"));
    EXPECT_FALSE(after.contains("rope_theta"));
    EXPECT_EQ(after["rotary_pct"], 0.5);
    EXPECT_EQ(after["rotary_emb_base"], 10000.0);
    EXPECT_EQ(after["rope_scaling"]["type"], "linear");
    const ModelConfig again = readText(after.dump());
    EXPECT_EQ(again.rope, changes.rope);
    EXPECT_EQ(again.rotaryFraction, 0.5);
}

TEST(RewriteModelConfig, EveryKindReadsBackEqualInEveryFamily)
{
    for (const char* name : {"llama-mha", "mistral-gqa", "qwen2", "qwen3", "gpt-neox"}) {
        const ModelConfig model = readModelConfig(goldenModel(name));
        for (const RopeKind kind : {RopeKind::Default, RopeKind::Linear, RopeKind::Dynamic,
                                    RopeKind::Yarn, RopeKind::Llama3}) {
            ModelConfigChanges changes;
            changes.rope.kind = kind;
            changes.rope.theta = 54321;
            if (kind != RopeKind::Default) {
                changes.rope.factor = 2.5;
            }
            if (kind != RopeKind::Default && kind != RopeKind::Linear) {
                changes.rope.originalMaxPositionEmbeddings = model.maxPositionEmbeddings;
            }
            const ModelConfig again = readText(rewriteModelConfig(goldenModel(name), changes));
            EXPECT_EQ(again.rope, changes.rope) << name << " " << ropeKindName(kind);
            ModelConfig expected = model;
            expected.rope = changes.rope;
            EXPECT_EQ(again, expected) << name << " " << ropeKindName(kind);
        }
    }
}

TEST(RewriteModelConfig, ReplacesTheRotaryEmbeddingAndKeepsTheRest)
{
    const auto folder = goldenModel("llama-yarn"); // transformers 5's layout
    ModelConfigChanges changes;
    changes.rope.kind = RopeKind::Linear;
    changes.rope.theta = 10000;
    changes.rope.factor = 2;
    const Json before = Json::parse(test::contentOf(folder / "config.json"));
    const Json after = Json::parse(rewriteModelConfig(folder, changes));
    EXPECT_FALSE(after.contains("rope_parameters"));
    EXPECT_EQ(after["rope_theta"], 10000.0);
    EXPECT_EQ(after["rope_scaling"],
              Json::parse(R"({"rope_type": "linear", "factor": 2.0, "type": "linear"})"));
    for (const auto& item : before.items()) {
        if (item.key() != "rope_parameters") {
            EXPECT_EQ(after[item.key()], item.value()) << item.key();
        }
    }
    EXPECT_EQ(readText(after.dump()).rope, changes.rope);
}

TEST(RewriteModelConfig, TrainedLengthUnderALinearFactorMeansTheSameModel)
{
    const ModelConfig base = readModelConfig(goldenModel("llama-mha"));
    ModelConfigChanges changes;
    changes.rope.kind = RopeKind::Linear;
    changes.rope.factor = 2.5;
    const ModelConfig asLongLora = readText(rewriteModelConfig(goldenModel("llama-mha"), changes));
    changes.limitIsTrainedLength = true;
    const TemporaryFolder folder;
    folder.write("config.json", rewriteModelConfig(goldenModel("llama-mha"), changes));
    const Json written = Json::parse(test::contentOf(folder.path() / "config.json"));
    EXPECT_EQ(written["max_position_embeddings"], base.maxPositionEmbeddings * 5 / 2);
    EXPECT_EQ(written["rope_scaling"]["original_max_position_embeddings"],
              base.maxPositionEmbeddings);
    EXPECT_EQ(readModelConfig(folder.path()), asLongLora);
    // And extended once more it is written as LongLoRA does again.
    changes.limitIsTrainedLength = false;
    changes.maxPositionEmbeddings = readModelConfig(folder.path()).maxPositionEmbeddings;
    changes.rope.factor = 5.0;
    const Json again = Json::parse(rewriteModelConfig(folder.path(), changes));
    EXPECT_EQ(again["max_position_embeddings"], base.maxPositionEmbeddings);
    EXPECT_FALSE(again["rope_scaling"].contains("original_max_position_embeddings"));
}

TEST(ReadModelConfig, OriginalLengthThatFitsNothingIsPassedOver)
{
    const TemporaryFolder folder;
    Json config = Json::parse(test::contentOf(goldenModel("llama-mha") / "config.json"));
    config["max_position_embeddings"] = 1000;
    config["rope_scaling"] = {
        {"type", "linear"}, {"factor", 4.0}, {"original_max_position_embeddings", 300}};
    folder.write("config.json", config.dump());
    EXPECT_EQ(readModelConfig(folder.path()).contextLength(), 4000);
}

TEST(RewriteModelConfig, ChangesTyingDtypeAndLengthWhenAsked)
{
    ModelConfigChanges changes;
    changes.tiedEmbeddings = false;
    changes.dtype = "bfloat16";
    changes.maxPositionEmbeddings = 999;
    const Json after = Json::parse(rewriteModelConfig(goldenModel("llama-yarn"), changes));
    EXPECT_EQ(after["tie_word_embeddings"], false);
    EXPECT_EQ(after["torch_dtype"], "bfloat16");
    EXPECT_FALSE(after.contains("dtype")); // the file had transformers 5's key
    EXPECT_EQ(after["max_position_embeddings"], 999);
    EXPECT_TRUE(after["rope_scaling"].is_null()); // default
}

} // namespace
} // namespace longlora
