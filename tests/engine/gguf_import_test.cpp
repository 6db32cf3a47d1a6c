// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/gguf_rope.h"
#include "core/engine/checkpoint/gguf_import.h"
#include "core/engine/model/forward.h"
#include "core/spec/base/error.h"
#include "tests/engine/checkpoint_folders.h"
#include "tests/engine/gguf_parts.h"
#include "tests/engine/safetensors_text.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <ostream>

namespace longlora {
namespace {

namespace fs = std::filesystem;
using test::GgufParts;
using test::golden;
using test::holds;
using test::messageOf;
using test::TemporaryFolder;
using Type = GgufValueType;

struct LogitsCase {
    std::string file;
    std::string logits;
    std::string tensor;
};
void PrintTo(const LogitsCase& item, std::ostream* stream)
{
    *stream << item.file;
}

class ImportedGguf : public testing::TestWithParam<LogitsCase> {};

TEST_P(ImportedGguf, HasTheLogitsOfTheReference)
{
    const TemporaryFolder folder;
    const fs::path out = folder.path() / "model";
    const ConversionReport report =
        importGguf({golden("gguf/" + GetParam().file), out, "auto"}, {});
    EXPECT_EQ(report.dtype, "fp32");
    EXPECT_EQ(report.tensors, 21);
    EXPECT_GT(report.bytes, 600'000.0);
    const auto expected = SafetensorsFile::open(golden("gguf/" + GetParam().logits));
    const DecoderModel model = loadBaseModel(out, {at::kCPU, at::kFloat});
    const at::Tensor ids = expected.tensor("ids").unsqueeze(0);
    const at::Tensor logits = forwardLogits(model, ids, {}).squeeze(0);
    EXPECT_LT(test::logitError(logits, expected.tensor(GetParam().tensor)), 1e-4);
    EXPECT_GT(test::logitError(logits, expected.tensor("logits_source")), 1e-6); // of another kind
}

INSTANTIATE_TEST_SUITE_P(
    Golden, ImportedGguf,
    testing::Values(LogitsCase{"linear.f16.gguf", "linear.logits.safetensors", "logits_f16"},
                    LogitsCase{"linear.q8_0.gguf", "linear.logits.safetensors", "logits_q8_0"},
                    LogitsCase{"llama3.f16.gguf", "llama3.logits.safetensors", "logits_f16"}));

TEST(ImportGguf, TheConfigIsThatOfTheSource)
{
    for (const std::string name : {"linear", "llama3"}) {
        const TemporaryFolder folder;
        const fs::path out = folder.path() / "model";
        importGguf({golden("gguf/" + name + ".f16.gguf"), out, "auto"}, {});
        EXPECT_EQ(readModelConfig(out), readModelConfig(golden("gguf/" + name + "-source")))
            << name;
    }
}

/// A copy of linear.f16.gguf that may be changed, and what importing it says.
class ChangedGguf : public testing::Test {
protected:
    ChangedGguf()
        : parts(GgufParts::of(golden("gguf/linear.f16.gguf")))
    {}
    fs::path file() const { return folder.path() / "changed.gguf"; }
    fs::path out() const { return folder.path() / "out" / "model"; }
    ConversionReport import(const std::string& dtype = "auto")
    {
        fs::remove(file());
        parts.write(file());
        return importGguf({file(), out(), dtype}, {});
    }
    /// The message of the refusal, which names the file; nothing is left of the output.
    std::string refusal(const std::string& dtype = "auto")
    {
        const std::string message = messageOf<Error>([&] { import(dtype); });
        EXPECT_FALSE(fs::exists(folder.path() / "out")) << message;
        return message;
    }
    void setFloats(const std::string& name, const std::vector<float>& numbers)
    {
        auto& tensor = parts.tensor(name);
        tensor.announced.type = GgmlType::F32;
        tensor.bytes.resize(numbers.size() * sizeof(float));
        std::memcpy(tensor.bytes.data(), numbers.data(), tensor.bytes.size());
    }
    void addRopeFactors(const std::vector<float>& factors)
    {
        parts.tensors.push_back({{kRopeFactors, GgmlType::F32, {std::ssize(factors)}}, {}});
        setFloats(kRopeFactors, factors);
    }
    static constexpr const char* kRopeFactors = "rope_freqs.weight";

    TemporaryFolder folder;
    GgufParts parts;
};

TEST_F(ChangedGguf, KeepsSixteenBitsWhereTheVectorsFitIntoThem)
{
    for (auto& tensor : parts.tensors) {
        if (tensor.announced.sizes.size() == 1) {
            setFloats(tensor.announced.name, std::vector<float>(64, 1.5F));
        }
    }
    EXPECT_EQ(import().dtype, "f16");
    EXPECT_EQ(readModelConfig(out()).storedDtype, "float16");
}

TEST_F(ChangedGguf, ConvertsToTheDtypeAskedFor)
{
    for (const auto& [name, dtype] :
         {std::pair("fp32", at::kFloat), std::pair("bf16", at::kBFloat16),
          std::pair("f16", at::kHalf)}) {
        const TemporaryFolder other;
        const fs::path wanted = other.path() / "wanted";
        const fs::path exact = other.path() / "exact";
        importGguf({golden("gguf/linear.q8_0.gguf"), wanted, name}, {});
        importGguf({golden("gguf/linear.q8_0.gguf"), exact, "fp32"}, {});
        const auto narrow = SafetensorsFile::open(wanted / "model.safetensors");
        const auto wide = SafetensorsFile::open(exact / "model.safetensors");
        ASSERT_EQ(narrow.entries().size(), 21U);
        for (const auto& [tensor, entry] : narrow.entries()) {
            EXPECT_TRUE(at::equal(narrow.tensor(tensor), wide.tensor(tensor).to(dtype))) << tensor;
        }
    }
}

TEST_F(ChangedGguf, WhatCannotBeNarrowedIsRefused)
{
    std::vector<float> numbers(64, 1.0F);
    numbers[3] = 1e6F;
    setFloats("output_norm.weight", numbers);
    EXPECT_TRUE(holds(refusal("f16"), "beyond the range of f16"));
    EXPECT_TRUE(holds(refusal("int8"), "int8"));
}

TEST_F(ChangedGguf, CancellingLeavesNothing)
{
    parts.write(file());
    int calls = 0;
    const auto stop = [&](const Progress& progress) {
        EXPECT_EQ(progress.total, 21);
        return ++calls < 5;
    };
    EXPECT_THROW(importGguf({file(), out(), "auto"}, stop), Cancelled);
    EXPECT_FALSE(fs::exists(folder.path() / "out"));
}

TEST_F(ChangedGguf, ATiedHeadIsNotWritten)
{
    parts.removeTensor("output.weight");
    EXPECT_EQ(import().tensors, 20);
    EXPECT_TRUE(readModelConfig(out()).tiedEmbeddings);
}

TEST_F(ChangedGguf, AWindowMakesAMistral)
{
    parts.set("llama.attention.sliding_window", GgufValue::uint32(24));
    import();
    EXPECT_EQ(readModelConfig(out()).architecture, "MistralForCausalLM");
    EXPECT_EQ(readModelConfig(out()).slidingWindow, 24);
}

TEST_F(ChangedGguf, EndOfTurnEndsTextsToo)
{
    parts.set("tokenizer.ggml.eot_token_id", GgufValue::uint32(7));
    import();
    EXPECT_EQ(readModelConfig(out()).eosTokenIds, (std::vector<std::int64_t>{2, 7}));
    EXPECT_TRUE(holds(test::readBytes(out() / "generation_config.json"), "7"));
}

TEST_F(ChangedGguf, LinearFactorsOfOldFilesAreRead)
{
    parts.remove("llama.rope.scaling.type");
    parts.remove("llama.rope.scaling.factor");
    parts.set("llama.rope.scale_linear", GgufValue::float32(8.0));
    import();
    EXPECT_EQ(readModelConfig(out()).rope.kind, RopeKind::Linear);
    EXPECT_EQ(readModelConfig(out()).rope.factor, 8.0);
}

TEST_F(ChangedGguf, YarnIsReadWithAllItsNumbers)
{
    parts.set("llama.rope.scaling.type", GgufValue::text("yarn"));
    parts.set("llama.rope.scaling.original_context_length", GgufValue::uint32(64));
    parts.set("llama.rope.scaling.yarn_beta_fast", GgufValue::float32(16.0));
    parts.set("llama.rope.scaling.yarn_beta_slow", GgufValue::float32(2.0));
    parts.set("llama.rope.scaling.yarn_attn_factor", GgufValue::float32(1.5));
    import();
    const RopeScaling rope = readModelConfig(out()).rope;
    EXPECT_EQ(rope.kind, RopeKind::Yarn);
    EXPECT_EQ(rope.factor, 4.0);
    EXPECT_EQ(rope.originalMaxPositionEmbeddings, 64);
    EXPECT_EQ(rope.betaFast, 16.0);
    EXPECT_EQ(rope.betaSlow, 2.0);
    // llama.cpp multiplies what YaRN does anyway.
    EXPECT_NEAR(rope.attentionFactor, 1.5 * (0.1 * std::log(4.0) + 1.0), 1e-12);
}

TEST_F(ChangedGguf, DivisorsThatAreAllAlikeAreALinearScaling)
{
    parts.remove("llama.rope.scaling.type");
    parts.remove("llama.rope.scaling.factor");
    addRopeFactors(std::vector<float>(8, 3.0F));
    import();
    EXPECT_EQ(readModelConfig(out()).rope.kind, RopeKind::Linear);
    EXPECT_EQ(readModelConfig(out()).rope.factor, 3.0);
}

TEST_F(ChangedGguf, DivisorsOfNoKnownScalingAreRefused)
{
    parts.remove("llama.rope.scaling.type");
    parts.remove("llama.rope.scaling.factor");
    addRopeFactors({1, 1, 7, 2, 9, 3, 3, 8});
    EXPECT_TRUE(holds(refusal(), "not those of a llama3 scaling"));
}

TEST(RopeFactors, GiveBackTheLlama3ScalingTheyWereMadeOf)
{
    struct Case {
        double theta, factor, low, high;
        std::int64_t original, dim;
    };
    for (const Case& item : {Case{500000, 8, 1, 4, 8192, 128}, Case{500000, 32, 1, 4, 8192, 64},
                             Case{500000, 8, 1, 4, 64, 16}, Case{10000, 3.5, 1, 4, 3000, 64},
                             Case{500000, 8, 1, 6.25, 4096, 128}, Case{500000, 4, 2, 8, 8192, 128},
                             Case{1e6, 16, 1, 4, 8192, 8}}) {
        RopeScaling rope;
        rope.kind = RopeKind::Llama3;
        rope.theta = item.theta;
        rope.factor = item.factor;
        rope.lowFrequencyFactor = item.low;
        rope.highFrequencyFactor = item.high;
        rope.originalMaxPositionEmbeddings = item.original;
        RopeScaling plain;
        plain.theta = item.theta;
        const std::vector<float> factors = ropeFactors(rope, item.dim);
        const RopeScaling found = withRopeFactors(plain, factors, 131072, "file");
        // Only ratios of length and limits can be told from the factors.
        const auto expected = ropeFrequencies(rope, item.dim, 1).inverse;
        const auto actual = ropeFrequencies(found, item.dim, 1).inverse;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            EXPECT_NEAR(actual[i] / expected[i], 1.0, 3e-6) << item.factor << " " << i;
        }
        if (item.low == 1) {
            EXPECT_EQ(found.factor, item.factor);
            EXPECT_EQ(found.highFrequencyFactor, item.high);
        }
        if (item.low == 1 && item.dim > 8) {
            EXPECT_EQ(found.originalMaxPositionEmbeddings, item.original) << item.factor;
        }
    }
}

struct RefusedCase {
    std::string name;
    std::function<void(GgufParts&)> change;
    std::string reason;
};
void PrintTo(const RefusedCase& item, std::ostream* stream)
{
    *stream << item.name;
}

RefusedCase withKey(const std::string& name, const std::string& key, const GgufValue& value,
                    const std::string& reason)
{
    return {name, [=](GgufParts& parts) { parts.set(key, value); }, reason};
}

RefusedCase withoutKey(const std::string& name, const std::string& key, const std::string& reason)
{
    return {name, [=](GgufParts& parts) { parts.remove(key); }, reason};
}

std::vector<RefusedCase> refusedModels()
{
    const auto number = GgufValue::uint32;
    const auto real = GgufValue::float32;
    const auto text = [](const char* value) { return GgufValue::text(value); };
    return {
        withKey("Gemma", "general.architecture", text("gemma3"), "\"gemma3\" is not supported"),
        withoutKey("NoArchitecture", "general.architecture", "missing"),
        withKey("ArchitectureIsANumber", "general.architecture", number(1), "must be a string"),
        withKey("Adapter", "general.type", text("adapter"), "is not a model"),
        withKey("SplitModel", "split.count", number(3), "split over several files"),
        withKey("Experts", "llama.expert_count", number(8), "experts are not supported"),
        withKey("UnknownKey", "llama.attention.scale", real(0.5), "may change the mathematics"),
        withKey("NotCausal", "llama.attention.causal", GgufValue::boolean(false), "later tokens"),
        withoutKey("NoLayers", "llama.block_count", "missing"),
        withKey("TooManyLayers", "llama.block_count", number(513), "513 is not between 1 and 512"),
        withKey("MoreLayersThanTensors", "llama.block_count", number(3), "blk.2"),
        withKey("FewerLayersThanTensors", "llama.block_count", number(1), "has no place"),
        withKey("LayersAsText", "llama.block_count", text("2"), "must be a whole number"),
        withKey("HugeWidth", "llama.embedding_length", number(1 << 20), "is not between"),
        withKey("OtherWidth", "llama.embedding_length", number(128), "rope.dimension_count"),
        withKey("NoHeads", "llama.attention.head_count", number(0), "0 is not between"),
        withKey("HeadsPerLayer", "llama.attention.head_count",
                {Type::Uint32, std::vector<std::int64_t>{4, 4}}, "must be a whole number"),
        withKey("KvHeadsDoNotDivide", "llama.attention.head_count_kv", number(3),
                "does not divide"),
        withKey("OddHeads", "llama.attention.key_length", number(5), "must be even"),
        withKey("ValuesOfAnotherLength", "llama.attention.value_length", number(8), "key_length"),
        withKey("OtherVocabulary", "llama.vocab_size", number(511), "contradicts the 512 rows"),
        withKey("PartialRotation", "llama.rope.dimension_count", number(8), "a part of each head"),
        withoutKey("NoEpsilon", "llama.attention.layer_norm_rms_epsilon", "missing"),
        withKey("EpsilonOf0", "llama.attention.layer_norm_rms_epsilon", real(0.0),
                "is not between"),
        withKey("BaseOf0", "llama.rope.freq_base", real(0.0), "is not between"),
        withKey("BaseIsNotANumber", "llama.rope.freq_base",
                real(std::numeric_limits<double>::quiet_NaN()), "is not between"),
        withKey("LongRope", "llama.rope.scaling.type", text("longrope"), "\"longrope\""),
        withKey("FactorBelow1", "llama.rope.scaling.factor", real(0.5), "is not between"),
        withKey("FactorWithoutAKind", "llama.rope.scaling.type", text("none"), "without a kind"),
        withKey("TwoLinearFactors", "llama.rope.scale_linear", real(2.0), "contradicts"),
        {"TensorMissing", [](GgufParts& parts) { parts.removeTensor("blk.1.ffn_up.weight"); },
         "tensor blk.1.ffn_up.weight: missing"},
        {"EmbeddingMissing", [](GgufParts& parts) { parts.removeTensor("token_embd.weight"); },
         "no whole model"},
        {"TensorTooMany",
         [](GgufParts& parts) {
             parts.tensors.push_back({{"blk.0.attn_sinks.weight", GgmlType::F32, {1}}, {}});
             parts.tensors.back().bytes.resize(4);
         },
         "attn_sinks.weight, offset"},
        {"Transposed",
         [](GgufParts& parts) {
             parts.tensor("blk.0.ffn_up.weight").announced.sizes = {64, 160};
         },
         "is [64, 160] instead of [160, 64]"},
        {"TypeThatIsNotRead",
         [](GgufParts& parts) {
             auto& tensor = parts.tensor("blk.0.ffn_norm.weight");
             tensor.announced.type = static_cast<GgmlType>(24); // I8
             tensor.bytes.resize(64);
         },
         "stored as I8"},
        {"InfinityInAWeight",
         [](GgufParts& parts) {
             auto& tensor = parts.tensor("output_norm.weight");
             const float infinite = std::numeric_limits<float>::infinity();
             std::memcpy(tensor.bytes.data(), &infinite, sizeof(infinite));
         },
         "holds infinity at element 0"},
        {"DivisorsOfAnotherLength",
         [](GgufParts& parts) {
             parts.tensors.push_back({{"rope_freqs.weight", GgmlType::F32, {4}}, {}});
             parts.tensors.back().bytes.resize(16);
         },
         "must be 8 numbers"},
        {"DivisorsBelow1",
         [](GgufParts& parts) {
             parts.tensors.push_back({{"rope_freqs.weight", GgmlType::F32, {8}}, {}});
             parts.tensors.back().bytes.resize(32);
         },
         "at least 1"},
        {"LongRopeTensor",
         [](GgufParts& parts) {
             parts.tensors.push_back({{"rope_factors_long.weight", GgmlType::F32, {8}}, {}});
             parts.tensors.back().bytes.resize(32);
         },
         "LongRoPE"},
        withKey("TokenizerOfAnotherKind", "tokenizer.ggml.model", text("bert"), "\"bert\""),
        withKey("TooManyTokens", "tokenizer.ggml.tokens",
                {Type::String, std::vector<std::string>(513, "x")}, "only 512 rows"),
        withKey("TokensOfNumbers", "tokenizer.ggml.tokens",
                {Type::Int32, std::vector<std::int64_t>(512, 1)}, "array of strings"),
        withKey("TokensAllAlike", "tokenizer.ggml.tokens",
                {Type::String, std::vector<std::string>(512, "x")}, "stands there twice"),
        withKey("FewerTypesThanTokens", "tokenizer.ggml.token_type",
                {Type::Int32, std::vector<std::int64_t>(5, 1)}, "5 types for 512 tokens"),
        withKey("UnknownTokenType", "tokenizer.ggml.token_type",
                {Type::Int32, std::vector<std::int64_t>(512, 7)}, "unknown type 7"),
        withoutKey("NoScores", "tokenizer.ggml.scores", "missing"),
        withKey("FewerScoresThanTokens", "tokenizer.ggml.scores",
                {Type::Float32, std::vector<double>(5, 0.0)}, "5 scores for 512 tokens"),
        withKey("BosOutsideTheVocabulary", "tokenizer.ggml.bos_token_id", number(512),
                "is not between"),
        withKey("TemplateIsNotUtf8", "tokenizer.chat_template", text("\xFF"), "is not UTF-8"),
    };
}

class RefusedModel : public testing::TestWithParam<RefusedCase> {};

TEST_P(RefusedModel, IsRefusedByNameAndLeavesNothing)
{
    const TemporaryFolder folder;
    const fs::path file = folder.path() / "bad.gguf";
    GgufParts parts = GgufParts::of(golden("gguf/linear.f16.gguf"));
    GetParam().change(parts);
    parts.write(file);
    const std::string message = messageOf<Error>([&] {
        importGguf({file, folder.path() / "out" / "model", "auto"}, {});
    });
    EXPECT_TRUE(holds(message, GetParam().reason)) << message;
    EXPECT_TRUE(holds(message, file.string())) << message;
    EXPECT_FALSE(fs::exists(folder.path() / "out"));
}

INSTANTIATE_TEST_SUITE_P(Each, RefusedModel, testing::ValuesIn(refusedModels()),
                         [](const auto& item) { return item.param.name; });

} // namespace
} // namespace longlora
