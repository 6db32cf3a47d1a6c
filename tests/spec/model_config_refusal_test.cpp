// SPDX-License-Identifier: GPL-3.0-or-later
// config.json files that must be refused, each by its name, file and key; one line, and no figure
// of a wrong model.
#include "core/spec/base/error.h"
#include "core/spec/config/model_config.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace longlora {
namespace {

using Json = nlohmann::ordered_json;

struct BadConfig {
    std::string name;
    std::string base;  ///< a golden model
    std::string patch; ///< null takes a key away
    std::string key;   ///< named in the message
    std::string says;  ///< and this too
};

void PrintTo(const BadConfig& bad, std::ostream* stream)
{
    *stream << bad.name;
}

class ConfigRefusal : public testing::TestWithParam<BadConfig> {};

TEST_P(ConfigRefusal, NamesFileKeyAndValue)
{
    const BadConfig& bad = GetParam();
    const auto golden = std::filesystem::path(LONGLORA_GOLDEN_DIR) / "models" / bad.base;
    Json config = Json::parse(test::contentOf(golden / "config.json"));
    const test::TemporaryFolder folder;
    folder.write("config.json", config.dump());
    ASSERT_NO_THROW(readModelConfig(folder.path())) << "the base itself is right";
    config.merge_patch(Json::parse(bad.patch));
    const std::string file = folder.write("config.json", config.dump()).string();
    const std::string message =
        test::messageOf<FormatError>([&] { readModelConfig(folder.path()); });
    EXPECT_EQ(message.find(file), 0U) << message;
    EXPECT_NE(message.find("key " + bad.key + ": "), std::string::npos) << message;
    EXPECT_NE(message.find(bad.says), std::string::npos) << message;
    EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 0) << message;
}

const std::string kLlama = "llama-mha", kMistral = "mistral-gqa", kQwen2 = "qwen2",
                  kQwen3 = "qwen3", kNeox = "gpt-neox", kYarn = "llama-yarn";

INSTANTIATE_TEST_SUITE_P(
    Family, ConfigRefusal,
    testing::Values(
        BadConfig{"UnknownArchitecture", kLlama, R"({"architectures": ["Gemma3ForCausalLM"]})",
                  "architectures", "\"Gemma3ForCausalLM\" is not supported"},
        BadConfig{"OldLlamaSpelling", kLlama, R"({"architectures": ["LLaMAForCausalLM"]})",
                  "architectures", "\"LLaMAForCausalLM\""},
        BadConfig{"TwoArchitectures", kLlama,
                  R"({"architectures": ["LlamaForCausalLM", "MistralForCausalLM"]})",
                  "architectures", "is not supported"},
        BadConfig{"ArchitectureIsNoList", kLlama, R"({"architectures": "LlamaForCausalLM"})",
                  "architectures", "must be an array"},
        BadConfig{"ModelTypeOfAnother", kQwen2, R"({"model_type": "qwen3"})", "model_type",
                  "\"qwen3\" contradicts the architecture Qwen2ForCausalLM"},
        BadConfig{"Classifier", kQwen2, R"({"architectures": ["Qwen2ForSequenceClassification"]})",
                  "architectures", "Qwen2ForSequenceClassification"},
        BadConfig{"MixtureOfExperts", kQwen3, R"({"num_experts": 128})", "num_experts",
                  "is 128: mixtures of experts"},
        BadConfig{"MixtralExperts", kMistral, R"({"num_local_experts": 8})", "num_local_experts",
                  "mixtures of experts"},
        BadConfig{"VisionTower", kLlama, R"({"vision_config": {"hidden_size": 8}})",
                  "vision_config", "is an object: models of this shape"},
        BadConfig{"EncoderDecoder", kLlama, R"({"is_encoder_decoder": true})", "is_encoder_decoder",
                  "is true"},
        BadConfig{"Quantized", kLlama, R"({"quantization_config": {"bits": 4}})",
                  "quantization_config", "stored quantized"},
        BadConfig{"LlamaWithGelu", kLlama, R"({"hidden_act": "gelu"})", "hidden_act",
                  "activation \"gelu\" is not supported"},
        BadConfig{"NeoxWithRelu", kNeox, R"({"hidden_act": "relu"})", "hidden_act", "\"relu\""},
        BadConfig{"NeoxWithSilu", kNeox, R"({"hidden_act": "silu"})", "hidden_act",
                  "Supported: gelu"},
        BadConfig{"NeoxQuickGelu", kNeox, R"({"hidden_act": "quick_gelu"})", "hidden_act",
                  "\"quick_gelu\""},
        BadConfig{"MistralWithBiases", kMistral, R"({"attention_bias": true})", "attention_bias",
                  "biases"},
        BadConfig{"QwenWithMlpBiases", kQwen3, R"({"mlp_bias": true})", "mlp_bias", "biases"},
        BadConfig{"BiasIsNoSwitch", kLlama, R"({"attention_bias": 1})", "attention_bias",
                  "must be true or false, not 1"},
        BadConfig{"ParallelLlama", kLlama, R"({"use_parallel_residual": true})",
                  "use_parallel_residual", "not known"},
        BadConfig{"NeoxGroupedQueries", kNeox, R"({"num_key_value_heads": 2})",
                  "num_key_value_heads", "one for each of its 4 heads"},
        BadConfig{"NeoxOwnHeadDim", kNeox, R"({"head_dim": 32})", "head_dim",
                  "32 is not hidden_size 64 / 4 heads"},
        BadConfig{"MistralWithoutKvHeads", kMistral, R"({"num_key_value_heads": null})",
                  "num_key_value_heads", "missing"},
        BadConfig{"LayerNormEpsilonZero", kNeox, R"({"layer_norm_eps": 0})", "layer_norm_eps",
                  "0 is outside"},
        BadConfig{"TiedIsNoSwitch", kQwen2, R"({"tie_word_embeddings": "yes"})",
                  "tie_word_embeddings", "must be true or false"}),
    [](const auto& item) { return item.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Attention, ConfigRefusal,
    testing::Values(
        BadConfig{"SoftCapping", kLlama, R"({"attn_logit_softcapping": 50.0})",
                  "attn_logit_softcapping", "is 50.0: capping"},
        BadConfig{"ClippedQkv", kLlama, R"({"clip_qkv": 8.0})", "clip_qkv", "is 8.0"},
        BadConfig{"DualChunk", kQwen2, R"({"dual_chunk_attention_config": {"chunk_size": 1}})",
                  "dual_chunk_attention_config", "this kind of attention"},
        BadConfig{"Alibi", kLlama, R"({"alibi": true})", "alibi", "positions of this kind"},
        BadConfig{"LayersWithoutRope", kLlama, R"({"no_rope_layers": [1, 0]})", "no_rope_layers",
                  "is an array"},
        BadConfig{"Multiplier", kLlama, R"({"attention_multiplier": 0.015625})",
                  "attention_multiplier", "is 0.015625: scaling"},
        BadConfig{"LogitScale", kLlama, R"({"logit_scale": 0})", "logit_scale", "is 0"},
        BadConfig{"AbsolutePositions", kLlama, R"({"position_embedding_type": "absolute"})",
                  "position_embedding_type", "\"absolute\""},
        BadConfig{"SlidingLlama", kLlama, R"({"sliding_window": 32})", "sliding_window",
                  "is 32, which this architecture does not know"},
        BadConfig{"WindowOfNothing", kMistral, R"({"sliding_window": 0})", "sliding_window",
                  "0 is outside 1 to"},
        BadConfig{"WindowSwitchInMistral", kMistral, R"({"use_sliding_window": false})",
                  "use_sliding_window", "not known"},
        BadConfig{"WindowInSomeLayers", kQwen2,
                  R"({"use_sliding_window": true, "sliding_window": 32, "max_window_layers": 1,
                      "layer_types": null})",
                  "max_window_layers", "1: sliding attention in a part of the 2 layers"},
        BadConfig{"LayerTypesAgainstTheSwitch", kQwen3,
                  R"({"layer_types": ["full_attention", "sliding_attention"]})", "layer_types",
                  "\"sliding_attention\" where full_attention"},
        BadConfig{"LayerTypesLinear", kQwen3,
                  R"({"layer_types": ["full_attention", "linear_attention"]})", "layer_types",
                  "\"linear_attention\""},
        BadConfig{"TooFewLayerTypes", kQwen3, R"({"layer_types": ["full_attention"]})",
                  "layer_types", "names 1 layers, num_hidden_layers is 2"}),
    [](const auto& item) { return item.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Rope, ConfigRefusal,
    testing::Values(
        BadConfig{"LongRope", kLlama, R"({"rope_scaling": {"type": "longrope", "factor": 2}})",
                  "rope_scaling.type", "\"longrope\""},
        BadConfig{"MultimodalRope", kQwen2, R"({"rope_scaling": {"type": "mrope",
                  "mrope_section": [16, 24, 24]}})",
                  "rope_scaling.type", "\"mrope\""},
        BadConfig{"MultimodalSection", kQwen2, R"({"rope_scaling": {"rope_type": "default",
                  "mrope_section": [16, 24, 24]}})",
                  "rope_scaling.mrope_section", "is no key of a rotary embedding"},
        BadConfig{"UnknownRopeKey", kYarn, R"({"rope_parameters": {"short_factor": [1.0]}})",
                  "rope_parameters.short_factor", "is no key"},
        BadConfig{"FactorBelowOne", kLlama, R"({"rope_scaling": {"type": "linear",
                  "factor": 0.25}})",
                  "rope_scaling.factor", "0.25 is outside"},
        BadConfig{"FactorMissing", kLlama, R"({"rope_scaling": {"type": "dynamic"}})",
                  "rope_scaling.factor", "missing"},
        BadConfig{"FactorIsText", kLlama, R"({"rope_scaling": {"type": "linear",
                  "factor": "4"}})",
                  "rope_scaling.factor", "must be a number, not \"4\""},
        BadConfig{"TypesDiffer", kLlama, R"({"rope_scaling": {"type": "yarn",
                  "rope_type": "linear", "factor": 2}})",
                  "rope_scaling.type", "\"yarn\" contradicts rope_type \"linear\""},
        BadConfig{"LayoutsDiffer", kYarn, R"({"rope_scaling": {"type": "linear", "factor": 8}})",
                  "rope_scaling", "contradicts the other description"},
        BadConfig{"CondenseDiffers", kYarn, R"({"rope_condense_ratio": 8})", "rope_condense_ratio",
                  "linear x 8 against yarn x 4"},
        BadConfig{"ThetaDiffers", kQwen3, R"({"rope_theta": 10000.0})",
                  "rope_parameters.rope_theta", "differs"},
        BadConfig{"ThetaNegative", kLlama, R"({"rope_theta": -1})", "rope_theta", "-1 is outside"},
        BadConfig{"BasesDiffer", kNeox, R"({"rope_theta": 500000.0})", "rotary_emb_base",
                  "differs from rope_theta"},
        BadConfig{"FractionsDiffer", kNeox, R"({"rope_parameters":
                  {"rope_theta": 10000, "partial_rotary_factor": 0.5}})",
                  "rope_parameters.partial_rotary_factor", "differs"},
        BadConfig{"FractionAboveOne", kNeox, R"({"rotary_pct": 1.5})", "rotary_pct",
                  "1.5 is outside"},
        BadConfig{"FractionTooSmall", kNeox, R"({"rotary_pct": 0.05})", "rotary_pct",
                  "of a head dimension of 16 is 0"},
        BadConfig{"FractionOdd", kNeox, R"({"rotary_pct": 0.2})", "rotary_pct", "is 3"},
        BadConfig{"PartialLlama", kLlama, R"({"partial_rotary_factor": 0.5})",
                  "partial_rotary_factor", "0.5: rotating a part"},
        BadConfig{"PerLayerRope", kQwen3, R"({"rope_parameters": {"full_attention": {}}})",
                  "rope_parameters.full_attention", "differ by layer"},
        BadConfig{"OriginalsDiffer", kYarn, R"({"original_max_position_embeddings": 100})",
                  "original_max_position_embeddings", "differs"},
        BadConfig{"RopeRatio", kLlama, R"({"rope_ratio": 500})", "rope_ratio", "is 500"}),
    [](const auto& item) { return item.param.name; });

} // namespace
} // namespace longlora
