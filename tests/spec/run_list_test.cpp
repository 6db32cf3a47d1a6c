// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/events/event_file.h"
#include "core/spec/events/event_json.h"
#include "core/spec/run/run_directory.h"
#include "core/spec/run/run_list.h"
#include "tests/spec/made_event.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

using test::madeEvent;

namespace fs = std::filesystem;
using test::TemporaryFolder;

RunDirectory made(const fs::path& folder, const std::string& name)
{
    RunDirectory run = RunDirectory::create(folder);
    RunConfig config;
    config.model = "models/x";
    config.runName = name;
    config.context.length = 2048;
    run.writeConfig(config);
    return run;
}

RunStarted startedBody()
{
    RunStarted started;
    started.totalSteps = 50;
    started.plannedPeakBytes = 5e8;
    return started;
}

StepDone stepBody(std::int64_t step, double loss)
{
    StepDone done;
    done.step = step;
    done.loss = loss;
    done.tokensPerSecond = 1000.0;
    done.peakBytes = 4e8;
    return done;
}

/// Writes bodies one second apart from `time` on.
void post(const RunDirectory& run, const std::vector<EventBody>& bodies, double time)
{
    EventFileSink sink(run.eventFile());
    for (std::size_t i = 0; i < bodies.size(); ++i) {
        const auto sequence = static_cast<std::int64_t>(i);
        sink.post(madeEvent(sequence, time + static_cast<double>(i), bodies[i]));
    }
}

TEST(RunList, AFinishedRunTellsItsOutcome)
{
    const TemporaryFolder folder;
    const RunDirectory run = made(folder.path() / "a", "first");
    RunFinished finished;
    finished.outcome = RunOutcome::Stopped;
    finished.steps = 2;
    finished.finalLoss = 2.5;
    finished.seconds = 7.0;
    finished.tokensPerSecond = 900.0;
    finished.peakBytes = 1e9;
    finished.plannedPeakBytes = 1.1e9;
    post(run, {startedBody(), stepBody(1, 3.0), stepBody(2, 2.5), finished}, 1000.0);
    const RunSummary summary = summarizeRun(run.path());
    EXPECT_EQ(summary.name, "first");
    EXPECT_EQ(summary.model, "models/x");
    EXPECT_EQ(summary.contextLength, 2048);
    EXPECT_EQ(summary.state, RunState::Finished);
    EXPECT_EQ(summary.outcome, RunOutcome::Stopped);
    EXPECT_FALSE(summary.interrupted);
    EXPECT_EQ(summary.steps, 2);
    EXPECT_EQ(summary.totalSteps, 50);
    EXPECT_EQ(summary.finalLoss, 2.5);
    EXPECT_EQ(summary.tokensPerSecond, 900.0);
    EXPECT_EQ(summary.seconds, 7.0);
    EXPECT_EQ(summary.peakBytes, 1e9);
    EXPECT_EQ(summary.plannedPeakBytes, 1.1e9);
    EXPECT_EQ(summary.started, 1000.0);
    EXPECT_EQ(summary.losses, (std::vector<double>{3.0, 2.5}));
}

TEST(RunList, ARunWhoseProcessIsGoneWasInterrupted)
{
    const TemporaryFolder folder;
    const RunDirectory run = made(folder.path() / "a", "");
    post(run, {startedBody(), StateChanged{RunState::Running, ""}, stepBody(1, 3.0)}, 1000.0);
    const RunSummary gone = summarizeRun(run.path());
    EXPECT_TRUE(gone.interrupted);
    EXPECT_EQ(gone.state, RunState::Finished);
    EXPECT_EQ(gone.outcome, RunOutcome::Failed);
    EXPECT_EQ(gone.steps, 1);
    EXPECT_EQ(gone.seconds, 2.0);
    EXPECT_EQ(gone.name, "a");

    const RunLock lock(run); // and with a process it is running
    const RunSummary running = summarizeRun(run.path());
    EXPECT_FALSE(running.interrupted);
    EXPECT_EQ(running.state, RunState::Running);
}

TEST(RunList, AHeldRunStaysHeldThoughAStepEndedBefore)
{
    const TemporaryFolder folder;
    const RunDirectory run = made(folder.path() / "a", "");
    const RunLock lock(run);
    post(run, {startedBody(), StateChanged{RunState::Holding, ""}, stepBody(1, 3.0)}, 1.0);
    EXPECT_EQ(summarizeRun(run.path()).state, RunState::Holding);
}

TEST(RunList, AContinuedRunIsNotFinished)
{
    const TemporaryFolder folder;
    const RunDirectory run = made(folder.path() / "a", "");
    const RunLock lock(run);
    post(run, {startedBody(), stepBody(1, 3.0), RunFinished{}, startedBody(), stepBody(2, 2.0)},
         1.0);
    const RunSummary summary = summarizeRun(run.path());
    EXPECT_EQ(summary.state, RunState::Running);
    EXPECT_EQ(summary.steps, 2);
}

TEST(RunList, ARunOfManyEventsIsReadAtItsEdges)
{
    const TemporaryFolder folder;
    const RunDirectory run = made(folder.path() / "a", "");
    const RunLock lock(run);
    constexpr std::int64_t kSteps = 50000;
    std::string lines = eventToJson(madeEvent(0, 100.0, startedBody())) + "\n";
    for (std::int64_t i = 1; i <= kSteps; ++i) {
        const double loss = static_cast<double>(kSteps - i);
        lines +=
            eventToJson(madeEvent(i, 100.0 + static_cast<double>(i), stepBody(i, loss))) + "\n";
    }
    std::ofstream(run.eventFile(), std::ios::binary) << lines << "{\"type\":\"st";
    const RunSummary summary = summarizeRun(run.path());
    EXPECT_EQ(summary.state, RunState::Running);
    EXPECT_EQ(summary.steps, kSteps);
    EXPECT_EQ(summary.finalLoss, 0.0);
    EXPECT_EQ(summary.totalSteps, 50);
    EXPECT_EQ(summary.started, 100.0);
    EXPECT_EQ(summary.seconds, static_cast<double>(kSteps));
    ASSERT_GT(summary.losses.size(), 190U);
    ASSERT_LE(summary.losses.size(), 200U);
    for (std::size_t i = 1; i < summary.losses.size(); ++i) {
        EXPECT_LT(summary.losses[i], summary.losses[i - 1]); // evenly spread, in order
        EXPECT_LT(summary.losses[i - 1] - summary.losses[i], kSteps / 100.0);
    }
}

TEST(RunList, ListsNewestFirstAndLeavesOutWhatIsNoRun)
{
    const TemporaryFolder folder;
    post(made(folder.path() / "old", "old"), {startedBody()}, 1000.0);
    post(made(folder.path() / "new", "new"), {startedBody()}, 2000.0);
    fs::create_directories(folder.path() / "no-run");
    fs::create_directories(folder.path() / "broken");
    folder.write("broken/run.json", "{\"model\": 7");
    const std::vector<RunSummary> runs = listRuns(folder.path());
    ASSERT_EQ(runs.size(), 2U);
    EXPECT_EQ(runs[0].name, "new");
    EXPECT_EQ(runs[1].name, "old");
    EXPECT_TRUE(listRuns(folder.path() / "absent").empty());
    EXPECT_THROW(summarizeRun(folder.path() / "no-run"), DataError);
}

TEST(RunList, NewFoldersAreNewAndInsideTheirParent)
{
    const TemporaryFolder folder;
    for (const std::string& name :
         {std::string("plain"), std::string("../../etc"), std::string("/abs/path"),
          std::string("a\nb\0c", 5), std::string("-rf"), std::string("..."), std::string(),
          std::string(400, 'x'), std::string("\xF0\x9F\x98\x80 smile"), std::string("\xFF\xFE"),
          std::string("\xE6\xB5\x8B\xE8\xAF\x95")}) {
        const fs::path made = newRunFolder(folder.path(), name);
        EXPECT_EQ(made.parent_path(), folder.path()) << name;
        EXPECT_LE(made.filename().string().size(), 120U);
        EXPECT_FALSE(fs::exists(made));
        ASSERT_TRUE(fs::create_directory(made)) << name;
    }
    const fs::path first = newRunFolder(folder.path(), "twice");
    fs::create_directory(first);
    EXPECT_NE(newRunFolder(folder.path(), "twice"), first);
    EXPECT_TRUE(first.filename().string().ends_with("-twice")) << first;
}

TEST(RunList, TheDefaultFolderFollowsTheDataHome)
{
    const char* before = std::getenv("XDG_DATA_HOME");
    const std::string saved = before == nullptr ? "" : before;
    ::setenv("XDG_DATA_HOME", "/some/where", 1);
    EXPECT_EQ(defaultRunsFolder(), "/some/where/longlora-workbench/runs");
    ::setenv("XDG_DATA_HOME", "relative", 1);
    EXPECT_TRUE(defaultRunsFolder().is_absolute());
    before == nullptr ? ::unsetenv("XDG_DATA_HOME") : ::setenv("XDG_DATA_HOME", saved.c_str(), 1);
}

} // namespace
} // namespace longlora
