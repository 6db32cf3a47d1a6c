// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/model/forward.h"
#include "core/spec/base/error.h"
#include "tests/engine/checkpoint_folders.h"
#include "tests/engine/safetensors_text.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <gtest/gtest.h>

#include <limits>

namespace longlora {
namespace {

namespace fs = std::filesystem;
using test::copyGolden;
using test::golden;
using test::holds;
using test::messageOf;
using test::TemporaryFolder;

const ComputePlace kPlace{at::kCPU, at::kFloat};

/// The message with which loading the folder is refused, which must name it.
std::string refusal(const fs::path& folder)
{
    const std::string message = messageOf<Error>([&] { loadBaseModel(folder, kPlace); });
    EXPECT_NE(message.find(folder.string()), std::string::npos) << message;
    return message;
}

TEST(BaseModel, LoadsShardsIntoTheirPlaces)
{
    DecoderModel model = loadBaseModel(golden("models/llama-gqa-llama3"), kPlace);
    const auto weights = test::goldenWeights("llama-gqa-llama3");
    EXPECT_FALSE(model.headIsTied());
    std::size_t visited = 0;
    forEachWeight(model, [&](const WeightShape& shape, at::Tensor& weight) {
        EXPECT_TRUE(at::equal(weight, weights.at(shape.name))) << shape.name;
        ++visited;
    });
    EXPECT_EQ(visited, weights.size());
    std::int64_t parameters = 0;
    forEachWeight(model, [&](const WeightShape&, at::Tensor& w) { parameters += w.numel(); });
    EXPECT_EQ(parameters, model.config.parameterCount());
}

TEST(BaseModel, ConvertsToTheDtypeAskedFor)
{
    const auto weights = test::goldenWeights("llama-linear"); // bf16
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
        DecoderModel model = loadBaseModel(golden("models/llama-linear"), {at::kCPU, dtype});
        EXPECT_EQ(model.dtype(), dtype);
        forEachWeight(model, [&](const WeightShape& shape, at::Tensor& weight) {
            EXPECT_TRUE(at::equal(weight, weights.at(shape.name).to(dtype))) << shape.name;
        });
    }
    EXPECT_EQ(WeightFiles::open(golden("models/llama-linear"),
                                readModelConfig(golden("models/llama-linear")))
                  .storedDtype(),
              at::kBFloat16);
}

TEST(BaseModel, TiedHeadIsTheEmbeddingItself)
{
    const TemporaryFolder folder;
    test::writeTiedModel(folder.path());
    DecoderModel model = loadBaseModel(folder.path(), kPlace);
    EXPECT_TRUE(model.headIsTied());
    forEachWeight(model, [](const WeightShape& shape, at::Tensor&) {
        EXPECT_NE(shape.part, ModelPart::Head);
    });
    EXPECT_EQ(forwardLogits(model, at::zeros({1, 3}, at::kLong), {}).size(2), 512);
}

TEST(BaseModel, ReportsEachTensorAndCanBeCancelled)
{
    std::vector<std::int64_t> seen;
    loadBaseModel(golden("models/llama-mha"), kPlace, [&](const Progress& progress) {
        EXPECT_EQ(progress.total, 21);
        EXPECT_EQ(progress.unit, "tensors");
        seen.push_back(progress.done);
        return true;
    });
    ASSERT_EQ(seen.size(), 22U);
    EXPECT_EQ(seen.front(), 0);
    EXPECT_EQ(seen.back(), 21);
    EXPECT_THROW(loadBaseModel(golden("models/llama-mha"), kPlace,
                               [](const Progress& progress) { return progress.done < 5; }),
                 Cancelled);
}

TEST(BaseModel, NanAndInfinityAreNamedWithTheirPlace)
{
    const TemporaryFolder folder;
    for (const double value :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity()}) {
        for (const auto dtype : {at::kFloat, at::kBFloat16}) {
            auto weights = test::goldenWeights("llama-mha");
            at::Tensor& weight = weights.at("model.layers.1.mlp.up_proj.weight");
            weight.view({-1})[777] = value;
            weight = weight.to(dtype);
            test::writeModelFolder(folder.path(), "llama-mha", weights);
            const std::string message = refusal(folder.path());
            EXPECT_TRUE(holds(message, "model.layers.1.mlp.up_proj.weight")) << message;
            EXPECT_TRUE(holds(message, "element 777 (1 of 9216")) << message;
            EXPECT_TRUE(holds(message, std::isnan(value) ? "NaN" : "infinity")) << message;
        }
    }
}

TEST(BaseModel, MissingMisshapenAndForeignTensorsAreAllNamed)
{
    const TemporaryFolder folder;
    auto weights = test::goldenWeights("llama-mha");
    weights.erase("model.norm.weight");
    weights["model.layers.0.self_attn.q_proj.weight"] = at::zeros({64, 32});
    weights["model.layers.0.self_attn.q_proj.bias"] = at::zeros({64});
    test::writeModelFolder(folder.path(), "llama-mha", weights);
    const std::string message = refusal(folder.path());
    EXPECT_TRUE(holds(message, "model.norm.weight is missing")) << message;
    EXPECT_TRUE(holds(message, "q_proj.weight is [64, 32] instead of [64, 64]")) << message;
    EXPECT_TRUE(holds(message, "q_proj.bias has no place in the model")) << message;
}

TEST(BaseModel, ManyProblemsAreCounted)
{
    const TemporaryFolder folder;
    copyGolden("models/llama-mha", folder.path());
    test::editText(folder.path() / "config.json", "\"intermediate_size\": 144",
                   "\"intermediate_size\": 100");
    EXPECT_TRUE(holds(refusal(folder.path()), "; and 3 more"));
}

TEST(BaseModel, WholeNumbersAreNoWeights)
{
    const TemporaryFolder folder;
    auto weights = test::goldenWeights("llama-mha");
    weights["model.norm.weight"] = at::ones({64}, at::kInt);
    test::writeModelFolder(folder.path(), "llama-mha", weights);
    EXPECT_TRUE(holds(refusal(folder.path()), "model.norm.weight holds Int numbers"));
}

TEST(BaseModel, BuffersOfOldFilesAndSecondHeadsArePassedOver)
{
    const TemporaryFolder folder;
    auto weights = test::goldenWeights("llama-mha");
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = at::ones({8});
    test::writeModelFolder(folder.path(), "llama-mha", weights);
    EXPECT_NO_THROW(loadBaseModel(folder.path(), kPlace));
    test::editText(folder.path() / "config.json", "\"tie_word_embeddings\": false",
                   "\"tie_word_embeddings\": true");
    EXPECT_TRUE(loadBaseModel(folder.path(), kPlace).headIsTied());
}

TEST(BaseModel, FolderWithoutWeightsSaysWhatToDo)
{
    const TemporaryFolder folder;
    copyGolden("models/llama-mha", folder.path());
    fs::remove(folder.path() / "model.safetensors");
    EXPECT_TRUE(holds(refusal(folder.path()), "There are no weights in"));
    test::writeBytes(folder.path() / "pytorch_model.bin", "pickle");
    EXPECT_TRUE(holds(refusal(folder.path()), "pytorch_model.bin, offset 0"));
}

TEST(BaseModel, TruncatedFileIsRefusedByName)
{
    const TemporaryFolder folder;
    copyGolden("models/llama-mha", folder.path());
    fs::resize_file(folder.path() / "model.safetensors", 600'000);
    const std::string message = refusal(folder.path());
    EXPECT_TRUE(holds(message, "model.safetensors")) << message;
    EXPECT_TRUE(holds(message, "truncated")) << message;
}

class ShardedModel : public testing::Test {
protected:
    void SetUp() override { copyGolden("models/llama-gqa-llama3", m_folder.path()); }
    fs::path file(const std::string& name) const { return m_folder.path() / name; }
    void edit(const std::string& what, const std::string& with) const
    {
        test::editText(file("model.safetensors.index.json"), what, with);
    }

    TemporaryFolder m_folder;
    const std::string m_third = "model-00003-of-00005.safetensors";
    const std::string m_last = "\"lm_head.weight\": \"model-00005-of-00005.safetensors\"";
};

TEST_F(ShardedModel, MissingShardIsNamed)
{
    fs::remove(file(m_third));
    const std::string message = refusal(m_folder.path());
    EXPECT_TRUE(holds(message, "shard " + m_third + ": is not there")) << message;
}

TEST_F(ShardedModel, TruncatedShardIsNamed)
{
    fs::resize_file(file(m_third), 100'000);
    EXPECT_TRUE(holds(refusal(m_folder.path()), m_third));
}

TEST_F(ShardedModel, NamesThatLeaveTheFolderAreRefused)
{
    for (const std::string name :
         {"../model.safetensors", "/etc/passwd", "a/../b", "..", ".", "", "a\\\\b", "a\\u0000b"}) {
        copyGolden("models/llama-gqa-llama3", m_folder.path());
        edit(m_last, "\"lm_head.weight\": \"" + name + "\"");
        EXPECT_TRUE(holds(refusal(m_folder.path()), "must be the bare name of a file")) << name;
    }
}

TEST_F(ShardedModel, LinksMayStayInTheFolderButNotLeaveIt)
{
    const TemporaryFolder elsewhere;
    fs::rename(file(m_third), file("blob"));
    fs::create_symlink("blob", file(m_third));
    EXPECT_NO_THROW(loadBaseModel(m_folder.path(), kPlace));
    fs::remove(file(m_third));
    fs::rename(file("blob"), elsewhere.path() / "blob");
    fs::create_symlink(elsewhere.path() / "blob", file(m_third));
    EXPECT_TRUE(holds(refusal(m_folder.path()), "is a link that leaves"));
}

TEST_F(ShardedModel, LinksOfAHuggingFaceCacheAreFollowed)
{
    const TemporaryFolder cache;
    const fs::path model = cache.path() / "models--org--name";
    fs::create_directories(model / "blobs");
    fs::create_directories(model / "snapshots" / "0123");
    for (const auto& item : fs::directory_iterator(m_folder.path())) {
        const fs::path name = item.path().filename();
        fs::copy_file(item.path(), model / "blobs" / ("hash-" + name.string()));
        fs::create_symlink(fs::path("../../blobs") / ("hash-" + name.string()),
                           model / "snapshots" / "0123" / name);
    }
    EXPECT_NO_THROW(loadBaseModel(model / "snapshots" / "0123", kPlace));
}

TEST_F(ShardedModel, TensorOutsideItsShardIsRefused)
{
    edit(m_last, "\"lm_head.weight\": \"" + m_third + "\"");
    EXPECT_TRUE(holds(refusal(m_folder.path()), "tensor lm_head.weight: is not in " + m_third));
}

TEST_F(ShardedModel, TensorInTwoShardsIsRefused)
{
    const auto last = SafetensorsFile::open(file("model-00005-of-00005.safetensors"));
    auto weights = test::NamedTensors();
    for (const auto& [name, entry] : last.entries()) {
        weights[name] = last.tensor(name).clone();
    }
    weights["model.embed_tokens.weight"] = at::zeros({320, 64});
    writeSafetensors(file("model-00005-of-00005.safetensors"), weights);
    EXPECT_TRUE(holds(refusal(m_folder.path()), "tensor model.embed_tokens.weight: stands in"));
}

TEST_F(ShardedModel, TensorInNoShardIsRefused)
{
    edit(m_last, "\"lm_head.extra\": \"model-00005-of-00005.safetensors\"");
    EXPECT_TRUE(holds(refusal(m_folder.path()), "tensor lm_head.extra: is not in"));
}

TEST_F(ShardedModel, WrongTotalSizeIsNoError)
{
    edit("\"total_size\": 620288", "\"total_size\": 1");
    EXPECT_NO_THROW(loadBaseModel(m_folder.path(), kPlace));
}

TEST_F(ShardedModel, BrokenIndexIsRefused)
{
    edit("\"weight_map\"", "\"weights\"");
    EXPECT_TRUE(holds(refusal(m_folder.path()), "weight_map"));
    edit(m_last, m_last + "," + m_last);
    EXPECT_TRUE(holds(refusal(m_folder.path()), "stands twice"));
}

TEST(BaseFingerprint, TellsWeightsApartAndNothingElse)
{
    const TemporaryFolder folder;
    const auto weights = test::goldenWeights("llama-gqa-llama3");
    const std::string original = baseFingerprint(golden("models/llama-gqa-llama3"));
    EXPECT_EQ(original.size(), 64U);
    test::writeModelFolder(folder.path(), "llama-gqa-llama3", weights);
    EXPECT_EQ(baseFingerprint(folder.path()), original) << "shards are not weights";

    auto changed = weights;
    changed["model.layers.2.mlp.up_proj.weight"][3][5] += 1e-3;
    test::writeModelFolder(folder.path(), "llama-gqa-llama3", changed);
    EXPECT_NE(baseFingerprint(folder.path()), original);

    auto narrow = weights;
    narrow["model.norm.weight"] = narrow["model.norm.weight"].to(at::kBFloat16);
    test::writeModelFolder(folder.path(), "llama-gqa-llama3", narrow);
    EXPECT_NE(baseFingerprint(folder.path()), original);
}

TEST(SaveModel, WhatWasSavedLoadsEqual)
{
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
        const TemporaryFolder folder;
        DecoderModel model = loadBaseModel(golden("models/tiny-shakespeare"), kPlace);
        saveModel(model, folder.path(), dtype, golden("models/tiny-shakespeare"));
        DecoderModel back = loadBaseModel(folder.path(), {at::kCPU, dtype});
        std::map<std::string, at::Tensor> saved;
        forEachWeight(back,
                      [&](const WeightShape& shape, at::Tensor& w) { saved[shape.name] = w; });
        forEachWeight(model, [&](const WeightShape& shape, at::Tensor& weight) {
            EXPECT_TRUE(at::equal(saved.at(shape.name), weight.to(dtype))) << shape.name;
        });
        EXPECT_EQ(back.config.rope, model.config.rope);
        EXPECT_EQ(back.config.contextLength(), model.config.contextLength());
        EXPECT_EQ(back.config.bosTokenId, model.config.bosTokenId);
        EXPECT_EQ(back.config.storedDtype, dtype == at::kFloat ? "float32" : "bfloat16");
        EXPECT_TRUE(fs::exists(folder.path() / "generation_config.json"));
        EXPECT_EQ(test::readBytes(folder.path() / "tokenizer.model"),
                  test::readBytes(golden("models/tiny-shakespeare/tokenizer.model")));
    }
}

TEST(SaveModel, TiedModelStaysTied)
{
    const TemporaryFolder folder, copy;
    test::writeTiedModel(folder.path());
    DecoderModel model = loadBaseModel(folder.path(), kPlace);
    saveModel(model, copy.path(), at::kFloat);
    EXPECT_TRUE(loadBaseModel(copy.path(), kPlace).headIsTied());
}

TEST(SaveModel, RefusesToForgetAnAdapter)
{
    const TemporaryFolder folder;
    DecoderModel model = loadBaseModel(golden("models/llama-mha"), kPlace);
    model.layers[1].o.lora = LoraPair{at::ones({2, 64}), at::ones({64, 2}), 1.0};
    EXPECT_THROW(saveModel(model, folder.path(), at::kFloat), DataError);
}

} // namespace
} // namespace longlora
