// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/config/model_config.h"
#include "tests/spec/model_config_text.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>

namespace longlora {
namespace {

using Json = nlohmann::ordered_json;
using test::goldenModel;
using test::readText;
using test::TemporaryFolder;

/// A small, right config.json of transformers 4.44.
Json smallConfig()
{
    return Json::parse(R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama",
        "hidden_size": 64, "intermediate_size": 144, "num_hidden_layers": 2,
        "num_attention_heads": 4, "vocab_size": 320, "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "rope_scaling": null})");
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

TEST(ModelConfig, CountsParametersOfPublishedModelsOfOtherFamilies)
{
    const auto mistral7b = readPatched(
        R"({"architectures": ["MistralForCausalLM"], "model_type": "mistral", "vocab_size": 32000,
            "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 8, "sliding_window": 4096})");
    EXPECT_EQ(mistral7b.parameterCount(), 7241732096);
    EXPECT_EQ(mistral7b.slidingWindow, 4096);
    const auto qwen25 = readPatched(
        R"({"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 151936,
            "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
            "num_attention_heads": 14, "num_key_value_heads": 2, "tie_word_embeddings": true,
            "max_position_embeddings": 32768, "max_window_layers": 21, "rope_theta": 1000000.0,
            "sliding_window": 32768, "use_sliding_window": false})");
    EXPECT_EQ(qwen25.parameterCount(), 494032768);
    EXPECT_EQ(qwen25.slidingWindow, 0);
    const auto qwen3 = readPatched(
        R"({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": 151936,
            "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
            "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
            "attention_bias": false, "tie_word_embeddings": true})");
    EXPECT_EQ(qwen3.parameterCount(), 596049920);
    const auto pythia = readPatched(
        R"({"architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox",
            "vocab_size": 50304, "hidden_size": 2048, "intermediate_size": 8192,
            "num_hidden_layers": 24, "num_attention_heads": 16, "rms_norm_eps": null,
            "layer_norm_eps": 1e-05, "rotary_pct": 0.25, "rotary_emb_base": 10000,
            "hidden_act": "gelu", "use_parallel_residual": true, "rope_theta": null})");
    EXPECT_EQ(pythia.parameterCount(), 1414647808);
    EXPECT_EQ(pythia.rotaryDim(), 32);
}

TEST(ModelConfig, ReadsEveryFamilyIntoOneDescription)
{
    const ModelConfig mistral = readModelConfig(goldenModel("mistral-gqa"));
    EXPECT_EQ(mistral.slidingWindow, 0);
    EXPECT_EQ(mistral.rope.theta, 1e6);
    EXPECT_FALSE(mistral.queryKeyValueBias);

    const ModelConfig qwen2 = readModelConfig(goldenModel("qwen2"));
    EXPECT_TRUE(qwen2.queryKeyValueBias);
    EXPECT_FALSE(qwen2.attentionOutputBias);
    EXPECT_TRUE(qwen2.tiedEmbeddings);
    EXPECT_EQ(qwen2.normEpsilon, 1e-6);

    const ModelConfig qwen3 = readModelConfig(goldenModel("qwen3"));
    EXPECT_TRUE(qwen3.queryKeyNorm);
    EXPECT_FALSE(qwen3.queryKeyValueBias);
    EXPECT_EQ(qwen3.headDim, 32);
    EXPECT_EQ(qwen3.hiddenSize, 64);

    const ModelConfig neox = readModelConfig(goldenModel("gpt-neox"));
    EXPECT_EQ(neox.norm, NormKind::Layer);
    EXPECT_EQ(neox.activation, Activation::Gelu);
    EXPECT_FALSE(neox.gatedMlp);
    EXPECT_TRUE(neox.fusedQueryKeyValue);
    EXPECT_TRUE(neox.parallelResidual);
    EXPECT_TRUE(neox.queryKeyValueBias && neox.attentionOutputBias && neox.mlpBias);
    EXPECT_EQ(neox.rotaryFraction, 0.25);
    EXPECT_EQ(neox.rotaryDim(), 4);
    EXPECT_EQ(neox.kvHeadCount, 4);
}

constexpr const char* kNeox = R"("architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox",
                                 "rms_norm_eps": null, "rope_theta": null)";

ModelConfig readNeox(const std::string& more)
{
    return readPatched(("{" + std::string(kNeox) + more + "}").c_str());
}

TEST(ModelConfig, ReadsEverySpellingOfNeoxRotation)
{
    for (const char* more : {R"(, "rotary_pct": 0.5, "rotary_emb_base": 20000)",
                             R"(, "rope_parameters": {"rope_type": "default", "rope_theta": 20000.0,
                                   "partial_rotary_factor": 0.5})",
                             R"(, "rotary_pct": 0.5, "rotary_emb_base": 20000, "rope_parameters":
              {"rope_type": "default", "rope_theta": 20000.0, "partial_rotary_factor": 0.5})"}) {
        EXPECT_EQ(readNeox(more).rope.theta, 20000.0) << more;
        EXPECT_EQ(readNeox(more).rotaryDim(), 8) << more;
    }
    EXPECT_EQ(readNeox("").rope.theta, 10000.0);
    EXPECT_EQ(readNeox("").rotaryFraction, 0.25);
    const RopeScaling scaled =
        readNeox(R"(, "rotary_emb_base": 20000, "rope_scaling": {"type": "linear", "factor": 2})")
            .rope;
    EXPECT_EQ(scaled.kind, RopeKind::Linear);
    EXPECT_EQ(scaled.theta, 20000.0);
}

TEST(ModelConfig, ReadsVariantsOfNeox)
{
    EXPECT_FALSE(readNeox(R"(, "use_parallel_residual": false)").parallelResidual);
    EXPECT_EQ(readNeox(R"(, "hidden_act": "gelu_fast")").activation, Activation::GeluTanh);
    const ModelConfig plain = readNeox(R"(, "attention_bias": false)");
    EXPECT_FALSE(plain.queryKeyValueBias || plain.attentionOutputBias);
    EXPECT_TRUE(plain.mlpBias);
    EXPECT_EQ(readNeox("").normEpsilon, 1e-5);
}

TEST(ModelConfig, ReadsBiasesWhereTheFamilyHasThem)
{
    const ModelConfig llama = readPatched(R"({"attention_bias": true, "mlp_bias": true})");
    EXPECT_TRUE(llama.queryKeyValueBias && llama.attentionOutputBias && llama.mlpBias);
    const ModelConfig qwen3 = readPatched(
        R"({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3",
            "num_key_value_heads": 4, "attention_bias": true})");
    EXPECT_TRUE(qwen3.queryKeyValueBias && qwen3.attentionOutputBias);
    EXPECT_EQ(qwen3.headDim, 128); // what transformers takes where the file says none
}

TEST(ModelConfig, SlidingWindowIsReadAsTransformersDoes)
{
    const auto window = [](const std::string& name, const std::string& more) {
        return readPatched((R"({"architectures": [")" + name + R"("], "model_type": null,
                                "num_key_value_heads": 4)" +
                            more + "}")
                               .c_str())
            .slidingWindow;
    };
    const std::string mistral = "MistralForCausalLM", qwen2 = "Qwen2ForCausalLM";
    EXPECT_EQ(window(mistral, R"(, "sliding_window": 1024)"), 1024);
    EXPECT_EQ(window(mistral, ""), 4096) << "the default of its config class";
    EXPECT_EQ(window(qwen2, R"(, "sliding_window": 1024)"), 0);
    EXPECT_EQ(window(qwen2, R"(, "sliding_window": 1024, "use_sliding_window": false)"), 0);
    EXPECT_EQ(window(qwen2, R"(, "sliding_window": 1024, "use_sliding_window": true)"), 0)
        << "from layer 28 on, and there are two";
    EXPECT_EQ(window(qwen2, R"(, "sliding_window": 1024, "use_sliding_window": true,
                                "max_window_layers": 0)"),
              1024);
    EXPECT_EQ(window(qwen2, R"(, "sliding_window": 1024, "use_sliding_window": true,
                                "max_window_layers": 0,
                                "layer_types": ["sliding_attention", "sliding_attention"])"),
              1024);
    EXPECT_EQ(window("LlamaForCausalLM", R"(, "sliding_window": 9, "use_sliding_window": false)"),
              0);
    // null in the file means no window, unlike a missing key.
    Json config = smallConfig();
    config["architectures"] = {mistral};
    config["model_type"] = "mistral";
    config["num_key_value_heads"] = 4;
    config["sliding_window"] = nullptr;
    EXPECT_EQ(readText(config.dump()).slidingWindow, 0);
}

TEST(ModelConfig, FieldsThatAreOffPass)
{
    EXPECT_NO_THROW(readPatched(
        R"({"quantization_config": {}, "num_experts": 0, "logit_scale": 1.0, "alibi": false,
            "final_logit_softcapping": 0, "no_rope_layers": [], "pretraining_tp": 2,
            "rope_parameters": {"rope_theta": 10000.0, "partial_rotary_factor": 1.0},
            "attention_dropout": 0.1, "use_cache": false, "some_remark": {"of": "an author"}})"));
}

TEST(ModelConfig, OriginalLengthMayStandOutside)
{
    const char* const yarn = R"({"original_max_position_embeddings": 1024, "rope_scaling":
        {"type": "yarn", "factor": 4, "original_max_position_embeddings": 1024}})";
    EXPECT_EQ(readPatched(yarn).rope.originalMaxPositionEmbeddings, 1024);
}

TEST(ModelConfig, UsualAttentionFactorSaidAloudIsTheUsualOne)
{
    const RopeScaling said =
        readPatched(R"({"rope_scaling": {"type": "yarn", "factor": 4.0, "attention_factor":
                        1.138629436111989, "original_max_position_embeddings": 1024}})")
            .rope;
    EXPECT_EQ(said.attentionFactor, 0.0);
    EXPECT_NEAR(ropeFrequencies(said, 16, 1).attentionFactor, 1.138629436111989, 1e-12);
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
    EXPECT_REFUSED(R"({"rotary_emb_base": 500000})", "key rotary_emb_base: differs");
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
    EXPECT_REFUSED(R"({"architectures": ["GemmaForCausalLM"]})",
                   "key architectures: architecture \"GemmaForCausalLM\" is not supported. "
                   "Supported: LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, "
                   "Qwen3ForCausalLM, GPTNeoXForCausalLM.");
    EXPECT_REFUSED(R"({"architectures": []})", "architectures");
    EXPECT_REFUSED(R"({"architectures": null})", "key architectures: missing");
    EXPECT_REFUSED(R"({"model_type": "mistral"})", "contradicts the architecture");
}

TEST(ModelConfig, RefusesVariantsItWouldComputeWrongly)
{
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

} // namespace
} // namespace longlora
