// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/adapter_origin.h"
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/gguf_import.h"
#include "core/engine/checkpoint/loaded_model.h"
#include "core/engine/checkpoint/merge.h"
#include "core/engine/model/forward.h"
#include "core/spec/base/error.h"
#include "tests/engine/checkpoint_folders.h"
#include "tests/engine/safetensors_text.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

#include <gtest/gtest.h>

namespace longlora {
namespace {

namespace fs = std::filesystem;
using test::copyGolden;
using test::golden;
using test::holds;
using test::messageOf;
using test::TemporaryFolder;
using test::TrainedAdapter;
using test::writeTrainedAdapter;

class GoldenMerge : public testing::TestWithParam<TrainedAdapter> {
protected:
    void SetUp() override { writeTrainedAdapter(GetParam(), m_folder.path() / "adapter"); }
    MergeReport merge(const std::string& dtype) const
    {
        const MergeReport report =
            mergeAdapter({golden("models/" + GetParam().base), m_folder.path() / "adapter",
                          m_folder.path() / dtype, dtype, true},
                         {});
        RecordProperty("max_abs_logit_error", std::to_string(report.maxAbsLogitError));
        RecordProperty("mean_abs_logit_error", std::to_string(report.meanAbsLogitError));
        RecordProperty("max_abs_logit", std::to_string(report.maxAbsLogit));
        RecordProperty("same_top_token", std::to_string(report.sameTopToken));
        return report;
    }
    SafetensorsFile weights(const std::string& dtype) const
    {
        return SafetensorsFile::open(m_folder.path() / dtype / "model.safetensors");
    }
    /// Largest difference of any weight from the reference's merge.
    double largestDifference(const std::string& dtype) const
    {
        const auto expected = SafetensorsFile::open(
            golden("training/" + GetParam().name + "/merged_" + dtype + "/model.safetensors"));
        const auto actual = weights(dtype);
        EXPECT_EQ(actual.entries().size(), expected.entries().size());
        double largest = 0.0;
        for (const auto& [name, entry] : expected.entries()) {
            const at::Tensor merged = actual.tensor(name);
            EXPECT_EQ(merged.scalar_type(), entry.dtype) << name;
            largest =
                std::max(largest, (merged.to(at::kDouble) - expected.tensor(name).to(at::kDouble))
                                      .abs()
                                      .max()
                                      .item<double>());
        }
        RecordProperty("largest_weight_difference", std::to_string(largest * 1e9) + "e-9");
        return largest;
    }
    SafetensorsFile logits() const
    {
        return SafetensorsFile::open(golden("training/" + GetParam().name + "/logits.safetensors"));
    }

    TemporaryFolder m_folder;
};

TEST_P(GoldenMerge, EqualsTheReferencesMergeInFp32)
{
    const MergeReport report = merge("fp32");
    EXPECT_LT(largestDifference("fp32"), 1e-6);
    EXPECT_TRUE(report.verified);
    EXPECT_TRUE(report.rereadEqual);
    EXPECT_EQ(report.dtype, "fp32");
    EXPECT_EQ(report.comparedTokens, GetParam().linearFactor > 0.0 ? 128 : 512);
    EXPECT_LT(report.maxAbsLogitError, 1e-4);
    EXPECT_GT(report.maxAbsLogit, 1.0);
    EXPECT_LE(report.meanAbsLogitError, report.maxAbsLogitError);
    EXPECT_EQ(report.sameTopToken, report.comparedTokens);

    const auto expected = logits();
    const DecoderModel merged = loadBaseModel(m_folder.path() / "fp32", {at::kCPU, at::kFloat});
    const at::Tensor actual = forwardLogits(merged, expected.tensor("ids").unsqueeze(0), {});
    EXPECT_LT(test::logitError(actual.squeeze(0), expected.tensor("logits_adapter")), 1e-4);
}

TEST_P(GoldenMerge, TellsTheDriftFromABaseInFourBits)
{
    EXPECT_FALSE(merge("fp32").drift) << "it was not";
    test::editText(m_folder.path() / "adapter" / "longlora_adapter.json",
                   "\"base_quantization\": \"none\"", "\"base_quantization\": \"nf4\"");
    const MergeReport report = merge("bf16");
    ASSERT_TRUE(report.drift);
    // 4 bits change the logits by more than 16 do, and do not make another model.
    EXPECT_GT(report.drift->meanAbsLogitError, 2.0 * report.meanAbsLogitError);
    EXPECT_LT(report.drift->meanAbsLogitError, 0.2 * report.maxAbsLogit);
    EXPECT_GE(report.drift->maxAbsLogitError, report.drift->meanAbsLogitError);
    EXPECT_GT(report.drift->sameTopToken, report.comparedTokens / 2);
    EXPECT_NE(report.drift->trainedPerplexity, report.drift->mergedPerplexity);

    // The perplexity is that of the whole model on the whole text at once.
    EXPECT_GT(report.drift->mergedPerplexity, 1.0);
    EXPECT_NEAR(report.drift->trainedPerplexity / report.drift->mergedPerplexity, 1.0, 0.5);
}

TEST_P(GoldenMerge, EqualsTheReferencesMergeInBf16)
{
    const MergeReport report = merge("bf16");
    // One rounding of the same fp32 values: at most one unit in the last place where they differ.
    EXPECT_LT(largestDifference("bf16"), 0.01);
    EXPECT_EQ(report.dtype, "bf16");
    EXPECT_GT(report.maxAbsLogitError, 1e-3) << "rounding must show";
    EXPECT_LT(report.meanAbsLogitError, 0.05 * report.maxAbsLogit);

    const auto expected = logits();
    const DecoderModel merged = loadBaseModel(m_folder.path() / "bf16", {at::kCPU, at::kFloat});
    const at::Tensor actual = forwardLogits(merged, expected.tensor("ids").unsqueeze(0), {});
    EXPECT_LT(
        (actual.squeeze(0) - expected.tensor("logits_merged_bf16")).abs().max().item<double>(),
        0.02);
}

TEST_P(GoldenMerge, ConfigSaysRopeAndDtype)
{
    const MergeReport report = merge("bf16");
    const ModelConfig expected =
        readModelConfig(golden("training/" + GetParam().name + "/merged_bf16"));
    const ModelConfig actual = readModelConfig(m_folder.path() / "bf16");
    EXPECT_EQ(actual.rope, expected.rope);
    EXPECT_EQ(actual.maxPositionEmbeddings, expected.maxPositionEmbeddings);
    EXPECT_EQ(actual.storedDtype, "bfloat16");
    EXPECT_FALSE(actual.tiedEmbeddings);
    EXPECT_EQ(actual.contextLength(), GetParam().linearFactor > 0.0 ? 128 : 512);
    EXPECT_EQ(report.rope, describeRope(expected.rope));
    EXPECT_TRUE(fs::exists(m_folder.path() / "bf16" / "generation_config.json"));
}

TEST_P(GoldenMerge, CountsWhatItDid)
{
    const MergeReport report = merge("fp32");
    const ModelConfig config = readModelConfig(golden("models/" + GetParam().base));
    EXPECT_EQ(report.tensors, 9 * config.layerCount + 3);
    EXPECT_EQ(report.mergedTensors, (4 + 2) * config.layerCount + 2); // q k v o, norms, embedding
    EXPECT_GT(report.bytes, 4.0 * static_cast<double>(config.parameterCount()));
}

TEST_P(GoldenMerge, AutoKeepsTheBasesDtype)
{
    MergeRequest request{golden("models/" + GetParam().base), m_folder.path() / "adapter",
                         m_folder.path() / "auto"};
    request.verify = false;
    const MergeReport report = mergeAdapter(request, {});
    EXPECT_EQ(report.dtype, "fp32");
    EXPECT_FALSE(report.verified);
    EXPECT_EQ(report.comparedTokens, 0);
}

INSTANTIATE_TEST_SUITE_P(Trainings, GoldenMerge,
                         testing::Values(TrainedAdapter{"gqa-llama3-s2", "llama-gqa-llama3", 0.0},
                                         TrainedAdapter{"mha-extend-s2", "llama-mha", 2.0}),
                         [](const auto& item) {
                             return item.index == 0 ? "GqaLlama3" : "MhaExtended";
                         });

TEST_P(GoldenMerge, AsGgufHoldsTheSameWeights)
{
    const fs::path base = golden("models/" + GetParam().base),
                   adapter = m_folder.path() / "adapter";
    MergeRequest request{base, adapter, m_folder.path() / "model.gguf", "fp32", true};
    request.format = MergeFormat::Gguf;
    const MergeReport report = mergeAdapter(request, {});
    EXPECT_TRUE(report.verified);
    EXPECT_TRUE(report.rereadEqual);
    EXPECT_EQ(report.bytes, static_cast<double>(fs::file_size(request.output)));
    importGguf({request.output, m_folder.path() / "fp32", "fp32"}, {});
    EXPECT_LT(largestDifference("fp32"), 1e-6);
    const ModelConfig imported = readModelConfig(m_folder.path() / "fp32");
    EXPECT_EQ(describeRope(imported.rope), report.rope);
    // Nothing else is left of the folder that the file was made of.
    EXPECT_EQ(std::distance(fs::directory_iterator(m_folder.path()), fs::directory_iterator()), 3);
}

TEST(Merge, RefusesWhatGgufCannotSayBeforeItReadsAWeight)
{
    const TemporaryFolder folder;
    MergeRequest request{golden("models/llama-dynamic"), {}, folder.path() / "model.gguf", "f16"};
    request.format = MergeFormat::Gguf;
    const std::string message = messageOf<DataError>([&] { mergeAdapter(request, {}); });
    EXPECT_TRUE(holds(message, "dynamic")) << message;
    EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Merge, TiedBaseIsUntiedByATrainedEmbedding)
{
    const TemporaryFolder folder;
    test::writeTiedModel(folder.path() / "base");
    writeTrainedAdapter({"mha-extend-s2", "llama-mha", 2.0}, folder.path() / "adapter");
    fs::remove(folder.path() / "adapter" / "longlora_adapter.json");
    MergeRequest request{folder.path() / "base", folder.path() / "adapter",
                         folder.path() / "untied"};
    const MergeReport untied = mergeAdapter(request, {});
    EXPECT_TRUE(untied.verified);
    EXPECT_EQ(untied.tensors, 21);
    const DecoderModel model = loadBaseModel(folder.path() / "untied", {at::kCPU, at::kFloat});
    EXPECT_FALSE(model.headIsTied());
    EXPECT_TRUE(
        at::equal(model.lmHead, test::goldenWeights("llama-mha").at("model.embed_tokens.weight")));
    EXPECT_FALSE(at::equal(model.lmHead, model.embedTokens));

    test::editText(folder.path() / "adapter" / "adapter_config.json",
                   "\"ensure_weight_tying\": false", "\"ensure_weight_tying\": true");
    request.output = folder.path() / "tied";
    EXPECT_EQ(mergeAdapter(request, {}).tensors, 20);
    EXPECT_TRUE(loadBaseModel(folder.path() / "tied", {at::kCPU, at::kFloat}).headIsTied());
}

TEST(Merge, ScalingThatHasItsOwnLengthWritesTheContextReached)
{
    const TemporaryFolder folder;
    const fs::path base = golden("models/llama-mha");
    AdapterDescription description;
    description.lora.rank = 2;
    description.lora.alpha = 4.0;
    AdapterOrigin origin;
    origin.baseRope = readModelConfig(base).rope;
    origin.rope = {RopeKind::Llama3, 10000.0, 4.0, 64};
    origin.contextLength = 256;
    description.origin = origin;
    writeAdapter(
        folder.path() / "adapter", description,
        {{"model.layers.0.self_attn.v_proj", {at::randn({2, 64}), at::randn({64, 2}) * 0.01, 2.0}}},
        {});
    const MergeReport report =
        mergeAdapter({base, folder.path() / "adapter", folder.path() / "merged/"}, {});
    EXPECT_EQ(report.comparedTokens, 256);
    EXPECT_EQ(report.rope, "llama3 x 4 over 64");
    const ModelConfig config = readModelConfig(folder.path() / "merged");
    EXPECT_EQ(config.maxPositionEmbeddings, 256);
    EXPECT_EQ(config.contextLength(), 256);
    EXPECT_EQ(config.rope, origin.rope);
}

TEST(Merge, TokenizerTravelsAndModelLoads)
{
    const TemporaryFolder folder;
    const fs::path base = golden("models/tiny-shakespeare");
    AdapterDescription description;
    description.lora.rank = 2;
    writeAdapter(folder.path() / "adapter", description,
                 {{"model.layers.1.mlp.down_proj", {at::ones({2, 256}), at::ones({96, 2}), 8.0}}},
                 {});
    mergeAdapter({base, folder.path() / "adapter", folder.path() / "merged"}, {});
    const LoadedModel merged(
        {folder.path() / "merged", {}, DeviceKind::Cpu, ComputePrecision::Fp32});
    const LoadedModel attached(
        {base, folder.path() / "adapter", DeviceKind::Cpu, ComputePrecision::Fp32});
    ASSERT_TRUE(merged.hasTokenizer());
    const auto ids = merged.tokenizer().encode("To be, or not to be", true);
    EXPECT_EQ(ids, attached.tokenizer().encode("To be, or not to be", true));
    const at::Tensor row =
        at::tensor(std::vector<std::int64_t>(ids.begin(), ids.end())).unsqueeze(0);
    EXPECT_LT(test::logitError(forwardLogits(merged.decoder(), row, {}),
                               forwardLogits(attached.decoder(), row, {})),
              1e-4);
}

TEST(LoadedModel, WorksWithoutTokenizerUntilAskedForIt)
{
    LoadedModel model({golden("models/llama-mha"), {}, DeviceKind::Cpu, ComputePrecision::Fp32});
    EXPECT_FALSE(model.hasTokenizer());
    EXPECT_TRUE(holds(messageOf<DataError>([&] { model.tokenizer(); }), "There is no tokenizer"));
    RopeScaling rope;
    rope.kind = RopeKind::Linear;
    rope.factor = 4.0;
    model.setRope(rope);
    EXPECT_EQ(model.decoder().config.rope, rope);
    EXPECT_EQ(model.config().contextLength(), 256);
}

TEST(LoadedModel, BrokenTokenizerHurtsOnlyWhoAsksForIt)
{
    const TemporaryFolder folder;
    copyGolden("models/tiny-shakespeare", folder.path());
    fs::resize_file(folder.path() / "tokenizer.model", 100);
    const LoadedModel model({folder.path(), {}, DeviceKind::Cpu, ComputePrecision::Fp32});
    EXPECT_FALSE(model.hasTokenizer());
    EXPECT_TRUE(holds(messageOf<Error>([&] { model.tokenizer(); }), "tokenizer.model"));
}

} // namespace
} // namespace longlora
