// SPDX-License-Identifier: GPL-3.0-or-later
// Twelve optimizer steps against transformers + peft; see tests/golden/MAKING.md.
#include "core/engine/checkpoint/adapter.h"
#include "core/engine/model/forward.h"
#include "core/engine/train/training_run.h"
#include "core/spec/config/config_json.h"
#include "core/spec/events/event_file.h"
#include "core/spec/events/event_queue.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace longlora {
namespace {

using test::golden;

RunConfig goldenRun(const std::string& name)
{
    RunConfig config = readRunConfig(golden("training/" + name + "/run_config.json"));
    config.model = golden(config.model);
    for (std::string& file : config.data.train) {
        file = golden(file);
    }
    return config;
}

nlohmann::json stepsOf(const std::string& name)
{
    std::ifstream in(golden("training/" + name + "/steps.json"));
    return nlohmann::json::parse(in);
}

class GoldenTraining : public testing::TestWithParam<std::string> {
protected:
    TrainingResult train(const RunConfig& config)
    {
        const RunDirectory directory = RunDirectory::create(m_folder.path() / "run");
        directory.writeConfig(config);
        TrainingOptions options;
        options.initialAdapter = golden("training/" + GetParam() + "/initial_adapter");
        return runTraining(config, directory, options, m_queue, m_control);
    }

    test::TemporaryFolder m_folder;
    EventQueue m_queue;
    RunControl m_control;
};

TEST_P(GoldenTraining, LossesNormsRatesAndTheFinalAdapterEqualPeft)
{
    const RunConfig config = goldenRun(GetParam());
    const TrainingResult result = train(config);
    ASSERT_EQ(result.finished.outcome, RunOutcome::Completed) << result.finished.message;
    const nlohmann::json expected = stepsOf(GetParam());
    ASSERT_EQ(result.losses.size(), expected["losses"].size());
    std::size_t step = 0;
    for (const Event& event : m_queue.drain()) {
        if (const auto* done = std::get_if<StepDone>(&event.body)) {
            EXPECT_NEAR(done->loss, expected["losses"][step].get<double>(), 1e-4) << step;
            EXPECT_NEAR(done->gradientNorm, expected["grad_norms"][step].get<double>(), 1e-4)
                << step;
            EXPECT_DOUBLE_EQ(done->learningRate, expected["learning_rates"][step].get<double>());
            ++step;
        }
    }
    EXPECT_EQ(step, result.losses.size());

    const Adapter ours = readAdapter(m_folder.path() / "run" / result.finished.adapter);
    const Adapter theirs = readAdapter(golden("training/" + GetParam() + "/final_adapter"));
    ASSERT_EQ(ours.pairs.size(), theirs.pairs.size());
    ASSERT_EQ(ours.replaced.size(), theirs.replaced.size());
    for (const auto& [module, pair] : theirs.pairs) {
        EXPECT_LT(test::relativeError(ours.pairs.at(module).a, pair.a), 1e-3) << module;
        EXPECT_LT(test::relativeError(ours.pairs.at(module).b, pair.b), 1e-3) << module;
    }
    for (const auto& [name, tensor] : theirs.replaced) {
        EXPECT_LT(test::relativeError(ours.replaced.at(name), tensor), 1e-4) << name;
    }
}

TEST_P(GoldenTraining, LogitsOfTheTrainedAdapterEqualPeft)
{
    const auto file =
        SafetensorsFile::open(golden("training/" + GetParam() + "/logits.safetensors"));
    const RunConfig config = goldenRun(GetParam());
    const TrainingResult result = train(config);
    ASSERT_EQ(result.finished.outcome, RunOutcome::Completed) << result.finished.message;
    DecoderModel model = loadBaseModel(config.model, {at::kCPU, at::kFloat});
    attachAdapter(model, readAdapter(m_folder.path() / "run" / result.finished.adapter));
    const at::Tensor ids = file.tensor("ids").unsqueeze(0);
    EXPECT_LT(
        test::logitError(forwardLogits(model, ids, {}).squeeze(0), file.tensor("logits_adapter")),
        1e-4);
}

TEST_P(GoldenTraining, TheEventFileSaysWhatTheQueueSays)
{
    RunConfig config = goldenRun(GetParam());
    config.schedule.steps = 3;
    train(config);
    EventFileSource file(m_folder.path() / "run" / "events.rank0.jsonl");
    EXPECT_EQ(file.drain(), m_queue.drain());
}

INSTANTIATE_TEST_SUITE_P(Runs, GoldenTraining,
                         testing::Values("gqa-llama3-full", "gqa-llama3-s2", "mha-extend-s2"),
                         [](const auto& param) {
                             std::string name = param.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

} // namespace
} // namespace longlora
