// SPDX-License-Identifier: GPL-3.0-or-later
// Memory that runs out in the middle of a run.
#include "core/engine/tensor/memory_shortage.h"
#include "core/engine/train/trainer.h"
#include "core/engine/train/training_run.h"
#include "core/spec/base/error.h"
#include "core/spec/config/config_json.h"
#include "core/spec/events/event_queue.h"
#include "tests/support/golden_model.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>

#include <functional>
#include <new>
#include <string>
#include <vector>

namespace longlora {
namespace {

using test::golden;
using test::ScarceMemory;

constexpr std::int64_t kSteps = 3;

struct Training {
    explicit Training(const LayerMemory& memory, std::int64_t length = 96,
                      at::ScalarType dtype = at::kFloat)
        : model(test::goldenModel("llama-gqa-llama3", dtype))
        , trainables(model, config())
        , trainer(model, trainables, config(), rows(length), {kSteps, memory})
    {}

    static RunConfig config()
    {
        RunConfig config;
        config.attention.group = 32;
        config.lora.targets = {"q_proj", "v_proj", "gate_proj"};
        config.batch = {2, 2};
        config.optimizer.learningRate = 1e-3;
        config.schedule.warmupSteps = 0;
        return config;
    }
    static std::vector<TrainingRow> rows(std::int64_t length)
    {
        std::vector<TrainingRow> rows;
        for (std::int64_t row = 0; row < 7; ++row) {
            TrainingRow made;
            for (std::int64_t i = 0; i < length; ++i) {
                made.ids.push_back(static_cast<TokenId>((i * 37 + row * 101 + i * row) % 300));
            }
            made.labels.assign(made.ids.begin(), made.ids.end());
            made.documentStarts = {0};
            rows.push_back(made);
        }
        return rows;
    }

    DecoderModel model;
    TrainableSet trainables;
    Trainer trainer;
};

struct Trajectory {
    std::vector<double> losses;
    std::vector<at::Tensor> masters;
    std::vector<std::string> changes;
};

/// All steps; one that memory does not suffice for is done again as long as that is possible.
Trajectory train(Training& training, const std::function<void(std::int64_t)>& beforeStep = {})
{
    Trajectory trajectory;
    while (training.trainer.stepsDone() < kSteps) {
        if (beforeStep) {
            beforeStep(training.trainer.stepsDone());
        }
        for (bool isDone = false; !isDone;) {
            try {
                trajectory.losses.push_back(training.trainer.step().loss);
                isDone = true;
            } catch (const c10::OutOfMemoryError&) {
                const auto change = training.trainer.goLeaner();
                if (!change) {
                    throw;
                }
                trajectory.changes.push_back(*change);
            }
        }
    }
    for (const Trainable& item : training.trainables.items()) {
        trajectory.masters.push_back(item.master.detach().clone());
    }
    return trajectory;
}

void expectBitEqual(const Trajectory& actual, const Trajectory& expected, const std::string& what)
{
    EXPECT_EQ(actual.losses, expected.losses) << what;
    ASSERT_EQ(actual.masters.size(), expected.masters.size());
    for (std::size_t i = 0; i < expected.masters.size(); ++i) {
        EXPECT_TRUE(at::equal(actual.masters[i], expected.masters[i])) << what << ", tensor " << i;
    }
}

/// The least tile, and more than a row of 96 tokens: two stages that change sums are behind it once
/// rows come one at a time.
const LayerMemory kRich{{RecomputeLevel::None}, 128};

TEST(MemoryShortage, AStepRefusedAtAnyAllocationIsDoneAgainWithTheSameResult)
{
    ScarceMemory memory;
    Training undisturbed(kRich);
    undisturbed.trainer.goLeaner(); // one row at a time: what is left are the levels
    const Trajectory expected = train(undisturbed);

    std::int64_t perStep = 0;
    {
        Training counted(kRich);
        counted.trainer.goLeaner();
        const std::int64_t before = memory.allocations();
        counted.trainer.step();
        perStep = memory.allocations() - before;
    }
    std::int64_t recovered = 0;
    for (std::int64_t refused = 0; refused < perStep; refused += 1 + perStep / 60) {
        Training training(kRich);
        training.trainer.goLeaner();
        try {
            const Trajectory actual = train(training, [&](std::int64_t step) {
                if (step == 1) {
                    memory.refuseAfter(refused);
                }
            });
            ASSERT_EQ(actual.changes.size(), 1U) << refused << " of " << perStep;
            expectBitEqual(actual, expected, "allocation " + std::to_string(refused));
            ++recovered;
        } catch (const c10::OutOfMemoryError&) {
            // In the update itself: at its end.
            EXPECT_GT(refused, perStep * 9 / 10);
        }
    }
    EXPECT_GT(recovered, 40);
}

TEST(MemoryShortage, EveryStageOfTheLadderGivesTheSameStep)
{
    Training undisturbed({{RecomputeLevel::None}, 0}, 300, at::kDouble);
    const Trajectory expected = train(undisturbed);
    Training training({{RecomputeLevel::None}, 0}, 300, at::kDouble);
    ScarceMemory memory;
    std::vector<std::string> changes;
    for (std::int64_t stage = 0;; ++stage) {
        memory.refuseAfter(100); // in the middle of the forward pass
        try {
            training.trainer.step();
            FAIL() << "not refused";
        } catch (const c10::OutOfMemoryError&) {
        }
        const auto change = training.trainer.goLeaner();
        if (!change) {
            break;
        }
        changes.push_back(*change);
    }
    // Tiles of 150 and 128 of the 600 tokens, one row, four levels.
    EXPECT_EQ(changes.size(), 7U);
    const Trajectory actual = train(training);
    for (std::size_t i = 0; i < expected.losses.size(); ++i) {
        EXPECT_NEAR(actual.losses[i], expected.losses[i], 1e-12);
    }
    for (std::size_t i = 0; i < expected.masters.size(); ++i) {
        EXPECT_LT(test::relativeError(actual.masters[i], expected.masters[i]), 1e-9) << i;
    }
}

RunConfig goldenRun()
{
    RunConfig config = readRunConfig(golden("training/gqa-llama3-s2/run_config.json"));
    config.model = golden(config.model);
    for (std::string& file : config.data.train) {
        file = golden(file);
    }
    config.schedule.steps = 4;
    config.memory.recompute = RecomputeLevel::None;
    return config;
}

/// Takes memory away after the first step, as another program would, and remembers what was said.
class Thief : public EventSink {
public:
    Thief(ScarceMemory& memory, std::size_t leaves)
        : m_memory(memory)
        , m_leaves(leaves)
    {}
    void post(const Event& event) noexcept override
    {
        if (const auto* step = std::get_if<StepDone>(&event.body); step && step->step == 1) {
            m_memory.setLimit(m_memory.liveBytes() + m_leaves);
        }
        if (const auto* message = std::get_if<Message>(&event.body);
            message && message->level == MessageLevel::Warning) {
            warnings.push_back(message->text);
        }
    }

    std::vector<std::string> warnings;

private:
    ScarceMemory& m_memory;
    std::size_t m_leaves;
};

struct ScarceRun {
    TrainingResult result;
    std::vector<std::string> warnings;
};

ScarceRun runLeaving(std::size_t leaves)
{
    const test::TemporaryFolder folder;
    ScarceMemory memory;
    Thief thief(memory, leaves);
    RunControl control;
    const RunDirectory directory = RunDirectory::create(folder.path() / "run");
    const TrainingResult result = runTraining(goldenRun(), directory, {}, thief, control);
    return {result, thief.warnings};
}

constexpr std::size_t kPlenty = std::size_t{1} << 40;

TEST(MemoryShortage, ARunGoesOnWhenAnotherProgramTakesMemoryAndSaysWhatItDoesAboutIt)
{
    const ScarceRun expected = runLeaving(kPlenty);
    ASSERT_EQ(expected.result.finished.outcome, RunOutcome::Completed);
    EXPECT_TRUE(expected.warnings.empty());
    bool wentOn = false;
    for (std::size_t leaves = std::size_t{1} << 20; leaves >= 1 << 17; leaves = leaves * 3 / 4) {
        const ScarceRun run = runLeaving(leaves);
        if (run.result.finished.outcome != RunOutcome::Completed || run.warnings.empty()) {
            continue;
        }
        wentOn = true;
        EXPECT_NE(run.warnings.front().find("memory did not suffice for step 2 (out of memory in"),
                  std::string::npos)
            << run.warnings.front();
        EXPECT_NE(run.warnings.front().find("From now on the MLP works on"), std::string::npos);
        ASSERT_EQ(run.result.losses.size(), expected.result.losses.size());
        for (std::size_t i = 0; i < run.result.losses.size(); ++i) {
            EXPECT_NEAR(run.result.losses[i], expected.result.losses[i], 1e-5);
        }
    }
    EXPECT_TRUE(wentOn);
}

TEST(MemoryShortage, ARunEndsWithOneErrorWhenNothingLeanerIsLeft)
{
    const ScarceRun run = runLeaving(1000);
    EXPECT_EQ(run.result.finished.outcome, RunOutcome::Failed);
    EXPECT_EQ(run.result.finished.exitStatus, static_cast<int>(ExitStatus::Device));
    EXPECT_EQ(run.result.finished.message.find("out of memory: out of memory in a test"), 0U)
        << run.result.finished.message;
    EXPECT_EQ(run.result.losses.size(), 1U);
    EXPECT_EQ(run.warnings.size(), 6U); // a tile of 128 tokens, one row, four levels
}

std::optional<std::string> shortageOf(const std::function<void()>& fail)
{
    try {
        fail();
    } catch (...) {
        return memoryShortage(std::current_exception());
    }
    return "nothing was thrown";
}

TEST(MemoryShortage, IsToldFromOtherErrorsAndInOneSentence)
{
    EXPECT_EQ(shortageOf([] {
                  TORCH_CHECK_WITH(OutOfMemoryError, false,
                                   "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a "
                                   "total capacity of 79.15 GiB of which 1.25 GiB is free. Process "
                                   "7 has 3.00 GiB memory in use. See documentation");
              }),
              "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 "
              "GiB of which 1.25 GiB is free.");
    EXPECT_EQ(shortageOf([] {
                  TORCH_CHECK(false, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling "
                                     "`cublasCreate(handle)`\nmore");
              }),
              "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`");
    EXPECT_EQ(shortageOf([] { throw std::bad_alloc(); }),
              "the system gives this program no more memory");
    EXPECT_FALSE(shortageOf([] { TORCH_CHECK(false, "CUDA error: an illegal memory access"); }));
    EXPECT_FALSE(shortageOf([] { throw DataError("out of memory"); }));
}

} // namespace
} // namespace longlora
