// SPDX-License-Identifier: GPL-3.0-or-later
// Training with masters, gradients and moments of some of the embedding's rows, against all.
#include "core/engine/train/trainer.h"
#include "core/spec/plan/embedding_rows.h"
#include "tests/engine/training_rows.h"
#include "tests/support/golden_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace longlora {
namespace {

TrainingRow row(std::int64_t first)
{
    return test::rowOfTokens(first, 48);
}

/// One row has few tokens that the others have, so that rows are seen in some steps only.
std::vector<TrainingRow> rowsOfData()
{
    TrainingRow even = row(2);
    for (TokenId& id : even.ids) {
        id = 100 + id % 5;
    }
    return {row(1), even, row(9)};
}

RunConfig decaying()
{
    RunConfig config;
    config.lora.rank = 3;
    config.optimizer.learningRate = 3e-3;
    config.optimizer.weightDecay = 0.1;
    config.schedule.warmupSteps = 0;
    config.batch.accumulation = 1;
    config.attention.group = 16;
    return config;
}

struct Trained {
    std::map<std::string, at::Tensor> weights;
    std::vector<double> losses, norms;
    std::int64_t updated = 0; ///< rows of the embedding with a master
    at::Tensor inModel;       ///< the embedding that the model computes with
};

/// Seven steps over three rows.
Trained train(const std::string& name, at::ScalarType dtype,
              const std::vector<std::int64_t>& tokens)
{
    DecoderModel model = test::goldenModel(name, dtype);
    const RunConfig config = decaying();
    TrainableSet set(model, config, tokens);
    Trainer trainer(model, set, config, rowsOfData(), {7, {}});
    Trained trained;
    for (int i = 0; i < 7; ++i) {
        const StepDone done = trainer.step();
        trained.losses.push_back(done.loss);
        trained.norms.push_back(done.gradientNorm);
    }
    trained.weights = set.wholeWeights();
    trained.updated = set.gradients().embedTokens.size(0);
    trained.inModel = model.embedTokens;
    return trained;
}

class EmbeddingRows : public testing::TestWithParam<std::string> {};

TEST_P(EmbeddingRows, TrainAsAllRowsDo)
{
    const std::vector<std::int64_t> tokens = distinctTokens(rowsOfData());
    const Trained all = train(GetParam(), at::kDouble, {});
    const Trained some = train(GetParam(), at::kDouble, tokens);
    EXPECT_EQ(some.updated, std::ssize(tokens));
    EXPECT_LT(some.updated, all.updated / 2);
    for (std::size_t step = 0; step < all.losses.size(); ++step) {
        EXPECT_NEAR(some.losses[step], all.losses[step], 1e-12) << step;
        EXPECT_NEAR(some.norms[step], all.norms[step], 1e-12) << step;
    }
    ASSERT_EQ(some.weights.size(), all.weights.size());
    for (const auto& [name, weight] : all.weights) {
        EXPECT_LT(test::relativeError(some.weights.at(name), weight), 1e-13) << name;
    }
}

TEST_P(EmbeddingRows, DecayWhereNoTokenPoints)
{
    const Trained some = train(GetParam(), at::kDouble, distinctTokens(rowsOfData()));
    const at::Tensor start = test::goldenModel(GetParam(), at::kDouble).embedTokens;
    const at::Tensor end = some.weights.begin()->second;
    ASSERT_EQ(end.sizes(), start.sizes());
    constexpr std::int64_t kUnseen = 77;
    EXPECT_LT(test::relativeError(end[kUnseen], start[kUnseen] * std::pow(1.0 - 3e-4, 7)), 1e-13);
}

TEST_P(EmbeddingRows, ReachTheModelInItsOwnDtype)
{
    const std::vector<std::int64_t> tokens = distinctTokens(rowsOfData());
    for (const at::ScalarType dtype : {at::kBFloat16, at::kFloat}) {
        const Trained some = train(GetParam(), dtype, tokens);
        EXPECT_EQ(some.updated, std::ssize(tokens));
        const at::Tensor rows = at::tensor(tokens, at::kLong);
        const at::Tensor master = some.weights.begin()->second.index_select(0, rows);
        EXPECT_TRUE(at::equal(some.inModel.index_select(0, rows), master.to(dtype)));
    }
}

INSTANTIATE_TEST_SUITE_P(Golden, EmbeddingRows, testing::Values("llama-mha", "mistral-gqa"),
                         [](const auto& param) {
                             std::string name = param.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

TEST(EmbeddingRowsKept, AreThoseOfTheDataWhereThatTakesLess)
{
    EXPECT_EQ(embeddingRowsKept(32000, 0, false), 32000);
    EXPECT_EQ(embeddingRowsKept(32000, 31999, false), 31999);
    EXPECT_EQ(embeddingRowsKept(32000, 23999, true), 23999);
    EXPECT_EQ(embeddingRowsKept(32000, 24000, true), 32000);
    EXPECT_EQ(embeddingRowsKept(32000, 40000, false), 32000);
}

TEST(EmbeddingRowsSet, OfAnInitialAdapterKeepTheirFullPrecisionWhereUntouched)
{
    const std::vector<std::int64_t> tokens = distinctTokens(rowsOfData());
    const auto made = [&](DecoderModel& model) { return TrainableSet(model, decaying(), tokens); };
    DecoderModel first = test::goldenModel("llama-mha", at::kBFloat16);
    const TrainableSet source = made(first);
    auto weights = source.wholeWeights();
    for (auto& [name, weight] : weights) {
        weight = weight + 1e-4; // lost in bf16
    }
    DecoderModel second = test::goldenModel("llama-mha", at::kBFloat16);
    TrainableSet set = made(second);
    set.assign(source.pairs(), weights);
    for (const auto& [name, weight] : set.wholeWeights()) {
        EXPECT_TRUE(at::equal(weight, weights.at(name))) << name;
    }
    EXPECT_TRUE(at::equal(second.embedTokens, weights.begin()->second.to(at::kBFloat16)));
}

TEST(EmbeddingRowsSet, RefusesRowsItWasNotToldOf)
{
    DecoderModel model = test::goldenModel("llama-mha", at::kFloat);
    const RunConfig config = decaying();
    TrainableSet set(model, config, distinctTokens({row(1)}));
    EXPECT_THROW(Trainer(model, set, config, rowsOfData(), {1, {}}), std::logic_error);
}

} // namespace
} // namespace longlora
