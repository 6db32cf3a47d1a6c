// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/config/model_config.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>

namespace longlora {
namespace {

using Json = nlohmann::ordered_json;
using test::TemporaryFolder;

std::filesystem::path goldenModel(const std::string& name)
{
    return std::filesystem::path(LONGLORA_GOLDEN_DIR) / "models" / name;
}

/// A small, right config.json of transformers 4.44.
Json smallConfig()
{
    return Json::parse(R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama",
        "hidden_size": 64, "intermediate_size": 144, "num_hidden_layers": 2,
        "num_attention_heads": 4, "vocab_size": 320, "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "rope_scaling": null})");
}

ModelConfig readText(const std::string& text)
{
    const TemporaryFolder folder;
    folder.write("config.json", text);
    return readModelConfig(folder.path());
}

/// The small config with `patch` merged in; null takes a key away.
ModelConfig readPatched(const char* patch)
{
    Json config = smallConfig();
    config.merge_patch(Json::parse(patch));
    return readText(config.dump());
}

std::string refusal(const char* patch)
{
    return test::messageOf<FormatError>([&] { readPatched(patch); });
}

#define EXPECT_REFUSED(patch, part)                                                                \
    EXPECT_NE(refusal(patch).find(part), std::string::npos) << patch << ": " << refusal(patch)

TEST(ModelConfig, ReadsTheReferenceModels)
{
    const ModelConfig gqa = readModelConfig(goldenModel("llama-gqa-llama3"));
    EXPECT_EQ(gqa.architecture, "LlamaForCausalLM");
    EXPECT_EQ(gqa.vocabularySize, 320);
    EXPECT_EQ(gqa.layerCount, 3);
    EXPECT_EQ(gqa.headCount, 8);
    EXPECT_EQ(gqa.kvHeadCount, 2);
    EXPECT_EQ(gqa.headDim, 8);
    EXPECT_EQ(gqa.queriesPerKvHead(), 4);
    EXPECT_EQ(gqa.rope.kind, RopeKind::Llama3);
    EXPECT_EQ(gqa.rope.theta, 500000.0);
    EXPECT_EQ(gqa.rope.factor, 8.0);
    EXPECT_EQ(gqa.rope.originalMaxPositionEmbeddings, 64);
    EXPECT_EQ(gqa.storedDtype, "float32");
    EXPECT_EQ(gqa.bosTokenId, 1);
    EXPECT_EQ(gqa.eosTokenIds, std::vector<std::int64_t>{2});
    EXPECT_EQ(gqa.contextLength(), 512);

    const ModelConfig oldest = readModelConfig(goldenModel("llama-linear"));
    EXPECT_EQ(oldest.headDim, 16); // not said in the file
    EXPECT_EQ(oldest.rope.kind, RopeKind::Linear);
    EXPECT_EQ(oldest.rope.theta, 10000.0);
    EXPECT_EQ(oldest.storedDtype, "bfloat16");
    EXPECT_EQ(oldest.contextLength(), 256);

    const ModelConfig newest = readModelConfig(goldenModel("llama-yarn"));
    EXPECT_EQ(newest.rope.kind, RopeKind::Yarn);
    EXPECT_EQ(newest.contextLength(), 256);

    EXPECT_EQ(readModelConfig(goldenModel("llama-dynamic")).contextLength(), 256);
    EXPECT_EQ(readModelConfig(goldenModel("llama-mha")).contextLength(), 64);
}

TEST(ModelConfig, CountsParametersOfPublishedModels)
{
    const ModelConfig llama2 = readPatched(
        R"({"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008,
            "num_hidden_layers": 32, "num_attention_heads": 32})");
    EXPECT_EQ(llama2.kvHeadCount, 32); // absent: one for each head
    EXPECT_EQ(llama2.parameterCount(), 6738415616);
    const ModelConfig llama3 = readPatched(
        R"({"vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336,
            "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8})");
    EXPECT_EQ(llama3.parameterCount(), 8030261248);
    const ModelConfig tied = readPatched(
        R"({"vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 8192,
            "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
            "tie_word_embeddings": true})");
    EXPECT_EQ(tied.parameterCount(), 1235814400);
}

TEST(ModelConfig, ContextOfLlama31IsWhatItsConfigSays)
{
    const ModelConfig model = readPatched(
        R"({"max_position_embeddings": 131072, "rope_scaling": {"rope_type": "llama3",
            "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192}})");
    EXPECT_EQ(model.contextLength(), 131072);
}

TEST(ModelConfig, ContextOfYarnCountsTheFactorWhereTheLengthStayedTheOriginal)
{
    const ModelConfig model = readPatched(
        R"({"max_position_embeddings": 32768, "rope_scaling": {"type": "yarn", "factor": 4.0,
            "original_max_position_embeddings": 32768}})");
    EXPECT_EQ(model.contextLength(), 131072);
}

TEST(ModelConfig, ReadsEverySpellingOfTheRotaryEmbedding)
{
    const auto rope = [](const char* patch) { return readPatched(patch).rope; };
    RopeScaling linear;
    linear.kind = RopeKind::Linear;
    linear.factor = 4;
    EXPECT_EQ(rope(R"({"rope_scaling": {"type": "linear", "factor": 4}})"), linear);
    EXPECT_EQ(rope(R"({"rope_scaling": {"rope_type": "linear", "factor": 4.0}})"), linear);
    EXPECT_EQ(rope(R"({"rope_theta": null,
                       "rope_scaling": {"type": "linear", "factor": 4.0}})"),
              linear);
    EXPECT_EQ(rope(R"({"rope_theta": null, "rope_parameters":
                       {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}})"),
              linear);
    EXPECT_EQ(rope(R"({"rope_condense_ratio": 4})"), linear);
    // Both layouts in one file, saying the same.
    EXPECT_EQ(rope(R"({"rope_scaling": {"type": "linear", "rope_type": "linear", "factor": 4},
                       "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0,
                                           "factor": 4.0}})"),
              linear);
    EXPECT_EQ(rope(R"({"rope_theta": 500000.0})").theta, 500000.0);
    EXPECT_EQ(rope(R"({"rope_theta": null, "rope_parameters": {"rope_theta": 5.0}})").kind,
              RopeKind::Default);
    // A YaRN factor left out is the ratio of the lengths.
    EXPECT_EQ(rope(R"({"rope_scaling": {"type": "yarn",
                       "original_max_position_embeddings": 1024}})")
                  .factor,
              4.0);
}

TEST(ModelConfig, RefusesRotaryEmbeddingsThatContradictThemselves)
{
    EXPECT_REFUSED(R"({"rope_scaling": {"type": "linear", "rope_type": "yarn", "factor": 2}})",
                   "key rope_scaling.type: \"linear\" contradicts rope_type \"yarn\"");
    EXPECT_REFUSED(R"({"rope_scaling": {"type": "linear", "factor": 2},
                       "rope_parameters": {"rope_type": "linear", "factor": 4}})",
                   "key rope_scaling: contradicts");
    EXPECT_REFUSED(R"({"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}})",
                   "key rope_parameters.rope_theta: differs");
    EXPECT_REFUSED(R"({"rope_condense_ratio": 8, "rope_scaling": {"type": "linear",
                                                                  "factor": 2}})",
                   "key rope_condense_ratio: contradicts");
    EXPECT_REFUSED(R"({"rope_scaling": {"type": "default", "factor": 2}})", "rope_scaling.factor");
}

TEST(ModelConfig, RefusesRotaryEmbeddingsItDoesNotKnow)
{
    EXPECT_REFUSED(R"({"rope_scaling": {"type": "longrope", "factor": 2}})",
                   "unknown rotary embedding \"longrope\". Supported: default, linear");
    EXPECT_REFUSED(R"({"rope_scaling": {"factor": 2}})", "key rope_scaling.rope_type: missing");
    EXPECT_REFUSED(R"({"rope_scaling": {"type": "linear"}})", "key rope_scaling.factor: missing");
    EXPECT_REFUSED(R"({"rope_scaling": {"type": "linear", "factor": 0.5}})", "0.5 is outside 1");
    EXPECT_REFUSED(R"({"rope_scaling": {"rope_type": "llama3", "factor": 8}})",
                   "rope_scaling.original_max_position_embeddings: missing");
    EXPECT_REFUSED(R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4,
                       "high_freq_factor": 4, "original_max_position_embeddings": 64}})",
                   "high_freq_factor");
    EXPECT_REFUSED(R"({"rope_parameters": {"full_attention": {"rope_type": "default"}}})",
                   "differ by layer");
    EXPECT_REFUSED(R"({"rope_theta": 0})", "key rope_theta: 0 is outside");
    EXPECT_REFUSED(R"({"rope_scaling": 4})", "key rope_scaling: must be an object");
    EXPECT_REFUSED(R"({"partial_rotary_factor": 0.5})", "partial_rotary_factor");
}

TEST(ModelConfig, RefusesOtherModelsByName)
{
    EXPECT_REFUSED(R"({"architectures": ["MistralForCausalLM"]})",
                   "key architectures: architecture \"MistralForCausalLM\" is not supported. "
                   "Supported: LlamaForCausalLM.");
    EXPECT_REFUSED(R"({"architectures": []})", "architectures");
    EXPECT_REFUSED(R"({"architectures": null})", "key architectures: missing");
    EXPECT_REFUSED(R"({"model_type": "mistral"})", "contradicts the architecture");
}

TEST(ModelConfig, RefusesVariantsItWouldComputeWrongly)
{
    EXPECT_REFUSED(R"({"attention_bias": true})", "key attention_bias: models with biases");
    EXPECT_REFUSED(R"({"mlp_bias": true})", "key mlp_bias");
    EXPECT_REFUSED(R"({"hidden_act": "gelu"})", "activation \"gelu\" is not supported");
    EXPECT_REFUSED(R"({"quantization_config": {"quant_method": "gptq"}})", "stored quantized");
    EXPECT_REFUSED(R"({"torch_dtype": "float8_e4m3fn"})", "\"float8_e4m3fn\"");
    EXPECT_REFUSED(R"({"torch_dtype": "float32", "dtype": "bfloat16"})", "contradicts");
}

TEST(ModelConfig, RefusesSizesOutOfRange)
{
    EXPECT_REFUSED(R"({"num_hidden_layers": 513})", "513 is outside 1 to 512");
    EXPECT_REFUSED(R"({"num_hidden_layers": 0})", "num_hidden_layers");
    EXPECT_REFUSED(R"({"hidden_size": 65537})", "hidden_size");
    EXPECT_REFUSED(R"({"hidden_size": "64"})", "must be a whole number, not \"64\"");
    EXPECT_REFUSED(R"({"hidden_size": 64.5})", "must be a whole number, not 64.5");
    EXPECT_REFUSED(R"({"vocab_size": 2000001})", "vocab_size");
    EXPECT_REFUSED(R"({"vocab_size": null})", "key vocab_size: missing");
    EXPECT_REFUSED(R"({"num_key_value_heads": 3})", "3 does not divide the 4 attention heads");
    EXPECT_REFUSED(R"({"num_key_value_heads": 8})", "num_key_value_heads: 8 is outside 1 to 4");
    EXPECT_REFUSED(R"({"num_attention_heads": 3})", "3 does not divide hidden_size 64");
    EXPECT_REFUSED(R"({"head_dim": 7})", "a head dimension of 7");
    EXPECT_REFUSED(R"({"max_position_embeddings": 0})", "max_position_embeddings");
    EXPECT_REFUSED(R"({"rms_norm_eps": 0})", "rms_norm_eps");
    EXPECT_REFUSED(R"({"eos_token_id": [2, "3"]})", "eos_token_id");
}

TEST(ModelConfig, RefusesUnsoundFiles)
{
    const TemporaryFolder folder;
    EXPECT_EQ(test::messageOf<FormatError>([&] {
                  readModelConfig(folder.path());
              }).find((folder.path() / "config.json").string() + ": there is no such file"),
              0U);
    const std::string text = smallConfig().dump();
    EXPECT_THROW(readText(text.substr(0, text.size() / 2)), FormatError);
    EXPECT_THROW(readText("{\"hidden_size\": 64, " + text.substr(1)), FormatError);
    EXPECT_THROW(readText(std::string((1 << 20) + 1, ' ')), Error);
    EXPECT_THROW(readText("{\"rms_norm_eps\": NaN}"), FormatError);
    EXPECT_NO_THROW(readText(text));
}

TEST(ModelConfig, ReadsSpellingsOfDtypeAndTokenIds)
{
    EXPECT_EQ(readPatched(R"({"torch_dtype": "torch.bfloat16"})").storedDtype, "bfloat16");
    EXPECT_EQ(readPatched(R"({"dtype": "float16"})").storedDtype, "float16");
    EXPECT_EQ(readPatched("{}").storedDtype, "");
    EXPECT_EQ(readPatched(R"({"eos_token_id": [2, 7]})").eosTokenIds,
              (std::vector<std::int64_t>{2, 7}));
    EXPECT_TRUE(readPatched("{}").eosTokenIds.empty());
    EXPECT_FALSE(readPatched(R"({"bos_token_id": null})").bosTokenId);
    EXPECT_EQ(readPatched(R"({"head_dim": 32})").headDim, 32); // not hidden / heads
}

TEST(ModelConfigJson, ReadsBackEqual)
{
    for (const char* name :
         {"llama-mha", "llama-linear", "llama-gqa-llama3", "llama-yarn", "llama-dynamic"}) {
        const ModelConfig model = readModelConfig(goldenModel(name));
        const ModelConfig again = readText(modelConfigJson(model));
        EXPECT_EQ(again.rope, model.rope) << name;
        EXPECT_EQ(again.parameterCount(), model.parameterCount()) << name;
        EXPECT_EQ(again.contextLength(), model.contextLength()) << name;
        EXPECT_EQ(again.headDim, model.headDim) << name;
        EXPECT_EQ(again.rmsNormEpsilon, model.rmsNormEpsilon) << name;
        EXPECT_EQ(again.storedDtype, model.storedDtype) << name;
        EXPECT_EQ(again.eosTokenIds, model.eosTokenIds) << name;
        EXPECT_EQ(again.bosTokenId, model.bosTokenId) << name;
        EXPECT_EQ(again.tiedEmbeddings, model.tiedEmbeddings) << name;
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
