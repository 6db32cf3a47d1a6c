// SPDX-License-Identifier: GPL-3.0-or-later
// What must hold in every family from loading to merging, on the golden models.
#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/loaded_model.h"
#include "core/engine/checkpoint/merge.h"
#include "core/engine/model/forward.h"
#include "core/engine/train/trainer.h"
#include "core/spec/plan/memory_planner.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace longlora {
namespace {

using test::golden;
using test::TemporaryFolder;

struct Family {
    std::string model;
    std::int64_t savedTensors; ///< embeddings and norms, of two layers
};

class EveryFamily : public testing::TestWithParam<Family> {
protected:
    DecoderModel model() const { return test::goldenModel(GetParam().model); }
    std::filesystem::path base() const { return golden("models/" + GetParam().model); }
    RunConfig lora() const
    {
        RunConfig config;
        config.lora.rank = 4;
        config.lora.targets = loraTargets(readModelConfig(base()));
        config.optimizer.learningRate = 5e-3;
        config.schedule.warmupSteps = 1;
        config.batch.accumulation = 2;
        config.attention.group = 16;
        return config;
    }
};

TEST_P(EveryFamily, TrainsWhatThePlannerCounts)
{
    for (const TrainingMethod method : {TrainingMethod::Lora, TrainingMethod::Full}) {
        DecoderModel trained = model();
        RunConfig config = lora();
        config.method = method;
        const TrainableSet set(trained, config);
        EXPECT_EQ(set.parameterCount(), countTrainable(trained.config, config).total());
    }
    DecoderModel trained = model();
    RunConfig config = lora();
    config.lora.targets = loraTargets(trained.config, true);
    const TrainableSet attention(trained, config);
    EXPECT_EQ(attention.parameterCount(), countTrainable(trained.config, config).total());
    EXPECT_EQ(attention.pairs().size(), 2 * config.lora.targets.size());
    EXPECT_EQ(std::ssize(attention.wholeWeights()), GetParam().savedTensors);
}

TEST_P(EveryFamily, BiasesAndNormsDoNotDecay)
{
    DecoderModel trained = model();
    RunConfig config = lora();
    config.method = TrainingMethod::Full;
    const TrainableSet set(trained, config);
    for (const Trainable& item : set.items()) {
        EXPECT_EQ(item.decays, item.master.dim() == 2) << item.name;
    }
}

TrainingRow row(std::int64_t first)
{
    TrainingRow made;
    for (std::int64_t i = 0; i < 48; ++i) {
        made.ids.push_back(static_cast<TokenId>((first + i * i * 7) % 320));
    }
    made.labels.assign(made.ids.begin(), made.ids.end());
    made.documentStarts = {0};
    return made;
}

TEST_P(EveryFamily, TrainedAdapterIsWrittenReadAttachedAndMerged)
{
    DecoderModel trained = model();
    const RunConfig config = lora();
    TrainableSet set(trained, config);
    Trainer trainer(trained, set, config, {row(3), row(100)}, {12, {}});
    const double first = trainer.step().loss;
    double last = first;
    for (int i = 1; i < 12; ++i) {
        last = trainer.step().loss;
    }
    EXPECT_LT(last, 0.7 * first);

    const TemporaryFolder folder;
    writeAdapter(folder.path() / "adapter", {base().string(), config.lora, {}}, set.pairs(),
                 set.wholeWeights());
    const at::Tensor ids = at::arange(5, 60).unsqueeze(0);
    const at::Tensor expected = forwardLogits(trained, ids, {});
    DecoderModel attached = model();
    attachAdapter(attached, readAdapter(folder.path() / "adapter"));
    EXPECT_LT(test::logitError(forwardLogits(attached, ids, {}), expected), 1e-6);

    const MergeReport report = mergeAdapter(
        {base(), folder.path() / "adapter", folder.path() / "merged", "fp32", true}, {});
    EXPECT_TRUE(report.verified);
    EXPECT_EQ(report.mergedTensors, GetParam().savedTensors + std::ssize(set.pairs()));
    const DecoderModel merged = loadBaseModel(folder.path() / "merged", {at::kCPU, at::kFloat});
    EXPECT_LT(test::logitError(forwardLogits(merged, ids, {}), expected), 1e-4);
    EXPECT_EQ(merged.config.architecture, trained.config.architecture);
    EXPECT_EQ(merged.config.rope, trained.config.rope);
}

TEST_P(EveryFamily, ModelIsSavedAndLoadsEqual)
{
    DecoderModel original = model();
    const TemporaryFolder folder;
    saveModel(original, folder.path(), at::kFloat);
    DecoderModel back = loadBaseModel(folder.path(), {at::kCPU, at::kFloat});
    EXPECT_EQ(back.config, original.config);
    const at::Tensor ids = at::arange(5, 60).unsqueeze(0);
    EXPECT_TRUE(at::equal(forwardLogits(back, ids, {}), forwardLogits(original, ids, {})));
}

INSTANTIATE_TEST_SUITE_P(Golden, EveryFamily,
                         testing::Values(Family{"llama-mha", 6}, Family{"mistral-gqa", 6},
                                         Family{"qwen2", 6}, Family{"qwen3", 10},
                                         Family{"gpt-neox", 11}),
                         [](const auto& item) {
                             std::string name = item.param.model;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

/// Merged by PEFT itself: golden adapters that hold its result for the first layer.
TEST(FamilyMerge, EqualsPeftsMerge)
{
    for (const auto& [base, name] :
         {std::pair("gpt-neox", "neox"), std::pair("qwen3", "qwen3-norms")}) {
        const TemporaryFolder folder;
        const std::string adapter = std::string("adapters/") + name;
        mergeAdapter({golden(std::string("models/") + base), golden(adapter),
                      folder.path() / "merged", "fp32", true},
                     {});
        const auto merged = SafetensorsFile::open(folder.path() / "merged" / "model.safetensors");
        const auto expected = SafetensorsFile::open(golden(adapter + "/logits.safetensors"));
        int compared = 0;
        for (const auto& [key, entry] : expected.entries()) {
            constexpr std::string_view kMark = "merged.";
            if (key.starts_with(kMark)) {
                const at::Tensor ours = merged.tensor(key.substr(kMark.size()));
                EXPECT_LT((ours - expected.tensor(key)).abs().max().item<double>(), 1e-6) << key;
                ++compared;
            }
        }
        EXPECT_GE(compared, 11) << name;
    }
}

TEST(OldNeoxFiles, MaskBuffersArePassedOver)
{
    const TemporaryFolder folder;
    const std::filesystem::path base = golden("models/gpt-neox");
    std::map<std::string, at::Tensor> weights;
    const auto file = SafetensorsFile::open(base / "model.safetensors");
    for (const auto& [name, entry] : file.entries()) {
        weights[name] = file.tensor(name);
    }
    weights["gpt_neox.layers.0.attention.bias"] = at::ones({1, 1, 8, 8}, at::kBool);
    weights["gpt_neox.layers.0.attention.masked_bias"] = at::full({}, -1e9);
    weights["gpt_neox.layers.1.attention.rotary_emb.inv_freq"] = at::ones({2});
    writeSafetensors(folder.path() / "model.safetensors", weights);
    std::filesystem::copy_file(base / "config.json", folder.path() / "config.json");
    EXPECT_NO_THROW(loadBaseModel(folder.path(), {at::kCPU, at::kFloat}));
}

} // namespace
} // namespace longlora
