// SPDX-License-Identifier: GPL-3.0-or-later
// Training with moments in 16 and 8 bits beside fp32. The rounding itself: tests/kernels.
#include "core/engine/train/trainer.h"
#include "core/spec/config/run_config_enums.h"
#include "tests/engine/training_rows.h"
#include "tests/support/golden_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace longlora {
namespace {

TrainingRow row(std::int64_t first)
{
    return test::rowOfTokens(first, 40);
}

RunConfig configOf(TrainingMethod method, MomentFormat moments)
{
    RunConfig config;
    config.method = method;
    config.optimizer.learningRate = 2e-3;
    config.optimizer.beta2 = 0.999;
    config.optimizer.weightDecay = 0.01;
    config.optimizer.moments = moments;
    config.schedule.warmupSteps = 0;
    config.batch.accumulation = 1;
    config.attention.group = 16;
    return config;
}

struct Trained {
    std::vector<double> losses;
    std::map<std::string, at::Tensor> weights;
};

Trained train(TrainingMethod method, MomentFormat moments, at::ScalarType dtype, int steps)
{
    DecoderModel model = test::goldenModel("llama-gqa-llama3", dtype);
    const RunConfig config = configOf(method, moments);
    TrainableSet set(model, config);
    Trainer trainer(model, set, config, {row(1), row(9)}, {7, {}});
    Trained trained;
    for (int i = 0; i < steps; ++i) {
        trained.losses.push_back(trainer.step().loss);
    }
    trained.weights = set.wholeWeights();
    return trained;
}

class Moments : public testing::TestWithParam<TrainingMethod> {};

TEST_P(Moments, InFewerBitsTrainAsWell)
{
    constexpr int kSteps = 60;
    const std::vector<double> full =
        train(GetParam(), MomentFormat::Fp32, at::kFloat, kSteps).losses;
    for (const MomentFormat format : {MomentFormat::BFloat16, MomentFormat::EightBit}) {
        const std::vector<double> losses = train(GetParam(), format, at::kFloat, kSteps).losses;
        EXPECT_NEAR(losses[1], full[1], 1e-5 * full[1]) << "the first step has nothing rounded";
        EXPECT_NE(losses, full);
        const double learned = full.front() - full.back();
        EXPECT_GT(learned, 0.5);
        EXPECT_NEAR(losses.back(), full.back(), 0.02 * learned) << enumName(format);
    }
}

TEST_P(Moments, RoundAlikeInEveryRun)
{
    const Trained one = train(GetParam(), MomentFormat::EightBit, at::kBFloat16, 4);
    const Trained again = train(GetParam(), MomentFormat::EightBit, at::kBFloat16, 4);
    EXPECT_EQ(one.losses, again.losses);
    for (const auto& [name, weight] : one.weights) {
        EXPECT_TRUE(at::equal(weight, again.weights.at(name))) << name;
    }
}

TEST_P(Moments, OfFloat64RunsStayFloat64)
{
    const Trained full = train(GetParam(), MomentFormat::Fp32, at::kDouble, 3);
    EXPECT_EQ(train(GetParam(), MomentFormat::EightBit, at::kDouble, 3).losses, full.losses);
}

INSTANTIATE_TEST_SUITE_P(Methods, Moments,
                         testing::Values(TrainingMethod::Lora, TrainingMethod::Full),
                         [](const auto& method) { return std::string(enumName(method.param)); });

} // namespace
} // namespace longlora
