// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/longlora_artifacts.h"
#include "core/engine/checkpoint/merge.h"
#include "core/engine/model/forward.h"
#include "core/spec/base/error.h"
#include "tests/engine/safetensors_text.h"
#include "tests/engine/torch_file.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace longlora {
namespace {

namespace fs = std::filesystem;
using test::golden;
using test::holds;
using test::messageOf;
using test::NamedTensors;
using test::TemporaryFolder;

constexpr const char* kEmbedding = "model.embed_tokens.weight";
const std::string kPrefix = "base_model.model.";

NamedTensors tensorsOf(const fs::path& file)
{
    const PickleFile opened = PickleFile::open(file);
    NamedTensors tensors;
    for (const auto& [name, entry] : opened.entries()) {
        tensors[name] = opened.tensor(name).clone();
    }
    return tensors;
}

/// The golden files of LongLoRA's repository, to be changed before they are read.
class LongLoraFiles : public testing::Test {
protected:
    void SetUp() override { fs::create_directories(folder()); }
    fs::path folder() const { return m_folder.path() / "theirs"; }
    fs::path ours() const { return m_folder.path() / "ours"; }
    fs::path base() const { return golden("models/llama-mha"); }
    void write()
    {
        test::writeBytes(folder() / "adapter_config.json",
                         test::readBytes(golden("adapters/longlora-bin/adapter_config.json")));
        test::writeTorchFile(folder() / "adapter_model.bin", m_lora);
        if (!m_trained.empty()) {
            test::writeTorchFile(folder() / "trainable_params.bin", m_trained);
        }
    }
    /// Largest error against the golden logits of base and adapter together.
    double error(const fs::path& adapter, const std::string& baseName = "llama-mha") const
    {
        DecoderModel model = test::goldenModel(baseName);
        attachAdapter(model, readAdapter(adapter));
        return errorOf(model);
    }
    double errorOf(const DecoderModel& model) const
    {
        const at::Tensor logits =
            forwardLogits(model, m_logits.tensor("ids").unsqueeze(0), {}).squeeze(0);
        const at::Tensor expected = m_logits.tensor("logits_adapter");
        return test::logitError(logits.narrow(1, 0, expected.size(1)), expected);
    }
    /// One more token, as `[PAD]` gives: 513 rows on a base of 512.
    void addRow()
    {
        at::Tensor& embedding = m_trained.at(kEmbedding);
        embedding = at::cat({embedding, at::full({1, 64}, 0.5)});
    }

    TemporaryFolder m_folder;
    SafetensorsFile m_logits =
        SafetensorsFile::open(golden("adapters/longlora-bin/logits.safetensors"));
    NamedTensors m_lora = tensorsOf(golden("adapters/longlora-bin/adapter_model.bin"));
    NamedTensors m_trained = tensorsOf(golden("adapters/longlora-bin/trainable_params.bin"));
};

TEST_F(LongLoraFiles, AsTheyAreGiveTheGoldenLogits)
{
    EXPECT_LT(error(golden("adapters/longlora-bin")), 1e-4);
}

TEST_F(LongLoraFiles, ImportedTheyGiveTheGoldenLogits)
{
    const LongLoraReport report =
        importLongLora({golden("adapters/longlora-bin"), ours(), base().string()});
    EXPECT_EQ(report.pairs, 8);
    EXPECT_EQ(report.wholeWeights, 6);
    EXPECT_EQ(report.vocabulary, 512);
    EXPECT_EQ(report.rope, "") << "the files do not say it";
    EXPECT_LT(error(ours()), 1e-4);
    const auto config = nlohmann::json::parse(test::readBytes(ours() / "adapter_config.json"));
    EXPECT_EQ(config.at("modules_to_save"), (nlohmann::json{"embed_tokens", "norm"}));
    EXPECT_EQ(config.at("r"), 8);
    EXPECT_EQ(config.at("lora_alpha"), 16);
    EXPECT_FALSE(fs::exists(ours() / "adapter_model.bin"));
    EXPECT_THROW(importLongLora({golden("adapters/longlora-bin"), ours(), {}}), ConfigError)
        << "nothing is overwritten";
}

TEST_F(LongLoraFiles, MergedTheyGiveTheGoldenLogits)
{
    MergeRequest request;
    request.base = base();
    request.adapter = golden("adapters/longlora-bin");
    request.output = ours();
    request.dtype = "fp32";
    EXPECT_TRUE(mergeAdapter(request, {}).verified);
    EXPECT_LT(errorOf(loadBaseModel(ours(), {at::kCPU, at::kFloat})), 1e-4);
}

TEST_F(LongLoraFiles, KeysMayHaveThePrefixOrNot)
{
    NamedTensors prefixed;
    for (const auto& [name, tensor] : m_trained) {
        prefixed[kPrefix + name] = tensor;
    }
    NamedTensors bare;
    for (const auto& [name, tensor] : m_lora) {
        bare[name.substr(kPrefix.size())] = tensor;
    }
    m_trained = prefixed;
    m_lora = bare;
    write();
    EXPECT_LT(error(folder()), 1e-4);
}

TEST_F(LongLoraFiles, TrainedWeightsMayStandInEitherFileOrBoth)
{
    for (const auto& [name, tensor] : m_trained) {
        m_lora[kPrefix + name] = tensor;
    }
    write();
    EXPECT_LT(error(folder()), 1e-4) << "in both, equal";
    fs::remove(folder() / "trainable_params.bin");
    EXPECT_LT(error(folder()), 1e-4) << "with the low-rank pairs";
}

TEST_F(LongLoraFiles, ContradictingFilesAreRefused)
{
    m_lora[kPrefix + kEmbedding] = m_trained.at(kEmbedding) + 1;
    write();
    const std::string message = messageOf<FormatError>([&] { readAdapter(folder()); });
    EXPECT_TRUE(holds(message, kEmbedding)) << message;
    EXPECT_TRUE(holds(message, "adapter_model.bin with other values")) << message;
}

TEST_F(LongLoraFiles, MissingNormsAreRefusedWhenAttached)
{
    m_trained.erase("model.layers.1.input_layernorm.weight");
    write();
    EXPECT_TRUE(holds(messageOf<DataError>([&] { error(folder()); }),
                      "lacks model.layers.1.input_layernorm.weight"));
}

TEST_F(LongLoraFiles, WiderEmbeddingWidensTheBase)
{
    addRow();
    write();
    DecoderModel model = test::goldenModel("llama-mha");
    const at::Tensor oldHead = model.lmHead.clone();
    attachAdapter(model, readAdapter(folder()));
    EXPECT_EQ(model.config.vocabularySize, 513);
    EXPECT_TRUE(at::equal(model.embedTokens, m_trained.at(kEmbedding)));
    ASSERT_EQ(model.lmHead.size(0), 513);
    EXPECT_TRUE(at::equal(model.lmHead.narrow(0, 0, 512), oldHead));
    EXPECT_TRUE(at::allclose(model.lmHead[512], oldHead.mean(0), 1e-5, 1e-7));
    EXPECT_LT(errorOf(model), 1e-4) << "old tokens are as without the new one";
}

TEST_F(LongLoraFiles, WiderEmbeddingIsMergedIntoAWiderModel)
{
    addRow();
    write();
    MergeRequest request;
    request.base = base();
    request.adapter = folder();
    request.output = m_folder.path() / "merged";
    request.dtype = "fp32";
    EXPECT_TRUE(mergeAdapter(request, {}).verified);
    const ModelConfig config = readModelConfig(request.output);
    EXPECT_EQ(config.vocabularySize, 513);
    const DecoderModel merged = loadBaseModel(request.output, {at::kCPU, at::kFloat});
    EXPECT_EQ(merged.embedTokens.size(0), 513);
    EXPECT_EQ(merged.lmHead.size(0), 513);
    EXPECT_LT(errorOf(merged), 1e-4);

    // The imported adapter does the same without the original files.
    importLongLora({folder(), ours(), {}});
    EXPECT_LT(error(ours()), 1e-4);
    DecoderModel model = test::goldenModel("llama-mha");
    attachAdapter(model, readAdapter(ours()));
    EXPECT_TRUE(at::equal(model.lmHead, merged.lmHead));
}

TEST_F(LongLoraFiles, TiedBaseStaysTiedAndIsWidened)
{
    addRow();
    write();
    const fs::path tied = m_folder.path() / "tied";
    test::writeTiedModel(tied);
    DecoderModel model = loadBaseModel(tied, {at::kCPU, at::kFloat});
    attachAdapter(model, readAdapter(folder()));
    EXPECT_TRUE(model.headIsTied());
    EXPECT_EQ(model.embedTokens.size(0), 513);
}

TEST_F(LongLoraFiles, NarrowerEmbeddingIsRefused)
{
    m_trained.at(kEmbedding) = m_trained.at(kEmbedding).narrow(0, 0, 500);
    write();
    EXPECT_TRUE(holds(messageOf<DataError>([&] { error(folder()); }),
                      "embed_tokens.weight is [512, 64], the adapter's [500, 64]"));
}

TEST_F(LongLoraFiles, ContextOrFactorIsWrittenAsRope)
{
    LongLoraImport request{golden("adapters/longlora-bin"), ours(), base().string()};
    request.context = 200; // of a base of 64: rounded up to 4
    const LongLoraReport report = importLongLora(request);
    EXPECT_EQ(report.rope, "linear x 4");
    EXPECT_EQ(report.contextLength, 256);
    const Adapter adapter = readAdapter(ours());
    ASSERT_TRUE(adapter.origin.has_value());
    EXPECT_EQ(adapter.origin->rope.factor, 4.0);
    EXPECT_EQ(adapter.origin->baseRope, readModelConfig(base()).rope);
    EXPECT_EQ(adapter.origin->fingerprint, baseFingerprint(base()));

    request.context = 0;
    request.ropeFactor = 2.5;
    request.output = m_folder.path() / "second";
    importLongLora(request);
    EXPECT_EQ(readAdapter(request.output).origin->rope.factor, 2.5);
}

TEST_F(LongLoraFiles, RopeNeedsABaseAndABaseMustFit)
{
    LongLoraImport request{golden("adapters/longlora-bin"), ours(), {}};
    request.context = 200;
    EXPECT_TRUE(holds(messageOf<ConfigError>([&] { importLongLora(request); }), "--base"));
    request.base = golden("models/llama-gqa-llama3").string();
    EXPECT_TRUE(holds(messageOf<DataError>([&] { importLongLora(request); }), "another base"));
    EXPECT_FALSE(fs::exists(ours())) << "nothing is left behind";
}

} // namespace
} // namespace longlora
