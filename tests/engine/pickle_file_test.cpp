// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/pickle_file.h"
#include "core/spec/base/error.h"
#include "tests/engine/safetensors_text.h"
#include "tests/engine/torch_file.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>

namespace longlora {
namespace {

namespace fs = std::filesystem;
using test::golden;
using test::holds;
using test::messageOf;
using test::TemporaryFolder;

TEST(PickleFile, GivesTensorsAsTorchSavedThem)
{
    const TemporaryFolder folder;
    const at::Tensor base = at::arange(24, at::kFloat).view({4, 6});
    test::writeTorchFile(folder.path() / "a.bin", {{"whole", base},
                                                   {"row", base[2]},
                                                   {"transposed", base.t()},
                                                   {"steps", base.slice(1, 1, 6, 2)},
                                                   {"half", base.to(at::kHalf)},
                                                   {"scalar", at::full({}, 3.5)},
                                                   {"empty", at::empty({0, 7})},
                                                   {"ids", at::arange(3)},
                                                   {"mask", at::ones({3}, at::kBool)}});
    const PickleFile file = PickleFile::open(folder.path() / "a.bin");
    EXPECT_EQ(file.entries().size(), 9U);
    EXPECT_TRUE(at::equal(file.tensor("whole"), base));
    EXPECT_TRUE(at::equal(file.tensor("row"), base[2]));
    EXPECT_TRUE(at::equal(file.tensor("transposed"), base.t()));
    EXPECT_TRUE(file.tensor("transposed").is_contiguous());
    EXPECT_TRUE(at::equal(file.tensor("steps"), base.slice(1, 1, 6, 2)));
    EXPECT_TRUE(at::equal(file.tensor("half"), base.to(at::kHalf)));
    EXPECT_EQ(file.tensor("scalar").item<float>(), 3.5F);
    EXPECT_EQ(file.tensor("empty").sizes().vec(), (std::vector<std::int64_t>{0, 7}));
    EXPECT_TRUE(at::equal(file.tensor("ids"), at::arange(3)));
    EXPECT_TRUE(file.tensor("mask").all().item<bool>());
    EXPECT_EQ(file.entries().at("transposed").bytes, 96U);
    EXPECT_TRUE(holds(messageOf<FormatError>([&] { file.tensor("b"); }), "no tensor b"));
}

TEST(PickleFile, TensorsOutliveTheFileAndShrinkingIsAnError)
{
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "a.bin";
    test::writeTorchFile(path, {{"a", at::ones({100})}});
    at::Tensor kept;
    {
        const PickleFile file = PickleFile::open(path);
        kept = file.tensor("a");
        fs::resize_file(path, 100);
        EXPECT_TRUE(holds(messageOf<FormatError>([&] { file.tensor("a"); }), "shrank from"));
    }
    test::writeTorchFile(path, {{"a", at::ones({100})}});
    EXPECT_EQ(PickleFile::open(path).tensor("a").sum().item<float>(), 100.0F);
}

TEST(PickleFile, GoldenFilesOfTorchAreRead)
{
    const auto file = PickleFile::open(golden("adapters/longlora-bin/trainable_params.bin"));
    EXPECT_EQ(file.entries().size(), 6U);
    EXPECT_EQ(file.tensor("model.embed_tokens.weight").sizes().vec(),
              (std::vector<std::int64_t>{512, 64}));
}

/// A folder with a golden model's config and its weights as torch.save writes them.
class PickledModel : public testing::Test {
protected:
    void SetUp() override
    {
        test::writeBytes(m_folder.path() / "config.json",
                         test::readBytes(golden("models/llama-mha/config.json")));
    }
    void writeIndex(const nlohmann::json& shardOfTensor)
    {
        test::writeBytes(m_folder.path() / "pytorch_model.bin.index.json",
                         nlohmann::json{{"weight_map", shardOfTensor}}.dump());
    }
    DecoderModel load() const { return loadBaseModel(m_folder.path(), {at::kCPU, at::kFloat}); }
    void expectGoldenModel() const
    {
        DecoderModel ours = load();
        DecoderModel theirs = test::goldenModel("llama-mha");
        test::NamedTensors expected;
        forEachWeight(theirs, [&](const WeightShape& shape, const at::Tensor& weight) {
            expected[shape.name] = weight;
        });
        forEachWeight(ours, [&](const WeightShape& shape, const at::Tensor& weight) {
            EXPECT_TRUE(at::equal(weight, expected.at(shape.name))) << shape.name;
        });
        EXPECT_EQ(baseFingerprint(m_folder.path()), baseFingerprint(golden("models/llama-mha")));
    }

    TemporaryFolder m_folder;
    test::NamedTensors m_weights = test::goldenWeights("llama-mha");
};

TEST_F(PickledModel, EqualsTheSafetensorsModelBitByBit)
{
    test::writeTorchFile(m_folder.path() / "pytorch_model.bin", m_weights);
    expectGoldenModel();
}

TEST_F(PickledModel, OldBuffersAndViewsMakeNoDifference)
{
    for (auto& [name, weight] : m_weights) {
        if (name.ends_with("q_proj.weight")) {
            weight = weight.t().contiguous().t();
        }
    }
    m_weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = at::ones({8});
    test::writeTorchFile(m_folder.path() / "pytorch_model.bin", m_weights);
    expectGoldenModel();
}

TEST_F(PickledModel, ShardsOfAnIndexAreRead)
{
    test::NamedTensors first;
    test::NamedTensors second;
    nlohmann::json index;
    for (const auto& [name, weight] : m_weights) {
        const bool isFirst = first.size() <= second.size();
        (isFirst ? first : second)[name] = weight;
        index[name] =
            isFirst ? "pytorch_model-00001-of-00002.bin" : "pytorch_model-00002-of-00002.bin";
    }
    test::writeTorchFile(m_folder.path() / "pytorch_model-00001-of-00002.bin", first);
    test::writeTorchFile(m_folder.path() / "pytorch_model-00002-of-00002.bin", second);
    writeIndex(index);
    expectGoldenModel();

    index["lm_head.weight"] = "pytorch_model-00001-of-00002.bin";
    index["model.embed_tokens.weight"] = "pytorch_model-00001-of-00002.bin";
    writeIndex(index);
    EXPECT_TRUE(holds(messageOf<FormatError>([&] { load(); }), "is not in pytorch_model-00001"));
    index["lm_head.weight"] = "../pytorch_model.bin";
    writeIndex(index);
    EXPECT_TRUE(holds(messageOf<FormatError>([&] { load(); }), "bare name of a file"));
}

TEST_F(PickledModel, SafetensorsArePreferred)
{
    test::writeBytes(m_folder.path() / "pytorch_model.bin", "not looked at");
    writeSafetensors(m_folder.path() / "model.safetensors", m_weights);
    expectGoldenModel();
}

TEST_F(PickledModel, TiedHeadThatSharesItsStorageIsReadOnce)
{
    test::writeTiedModel(m_folder.path());
    fs::remove(m_folder.path() / "model.safetensors");
    m_weights["lm_head.weight"] = m_weights.at("model.embed_tokens.weight");
    test::writeTorchFile(m_folder.path() / "pytorch_model.bin", m_weights);
    EXPECT_TRUE(load().headIsTied());
}

TEST_F(PickledModel, WrongWeightsAreNamed)
{
    m_weights.erase("model.norm.weight");
    m_weights["model.extra.weight"] = at::ones({3});
    test::writeTorchFile(m_folder.path() / "pytorch_model.bin", m_weights);
    const std::string message = messageOf<FormatError>([&] { load(); });
    EXPECT_TRUE(holds(message, "model.norm.weight is missing")) << message;
    EXPECT_TRUE(holds(message, "model.extra.weight has no place")) << message;
}

} // namespace
} // namespace longlora
