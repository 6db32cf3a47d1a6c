// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/in_process_training.h"
#include "core/spec/config/config_json.h"
#include "core/spec/events/event_file.h"
#include "core/spec/run/run_directory.h"
#include "tests/app/program.h"

#include <gtest/gtest.h>

namespace longlora::test {

namespace fs = std::filesystem;

namespace {

RunConfig goldenConfig()
{
    RunConfig config = readRunConfig(golden("training/mha-extend-s2/run_config.json"));
    config.model = golden(config.model).string();
    for (std::string& file : config.data.train) {
        file = golden(file).string();
    }
    config.checkpoint.everySteps = 5;
    return config;
}

std::vector<Event> eventsInFile(const fs::path& folder)
{
    EventFileSource source(RunDirectory::open(folder).eventFile());
    std::vector<Event> events = source.drain();
    EXPECT_TRUE(source.atEnd());
    return events;
}

/// Drains until the thread is done, and once more.
std::vector<Event> drainToTheEnd(TrainingService& training)
{
    std::vector<Event> events;
    const auto take = [&] {
        for (Event& event : training.events().drain()) {
            events.push_back(std::move(event));
        }
    };
    EXPECT_TRUE(eventually([&] {
        take();
        return !training.isRunning();
    }));
    take();
    return events;
}

TEST(InProcessTraining, QueueAndFileTellTheSameRun)
{
    const ScratchFolder scratch;
    const auto training = app::makeInProcessTraining();
    training->start(goldenConfig(), scratch / "run");
    const std::vector<Event> live = drainToTheEnd(*training);
    const std::vector<Event> fromFile = eventsInFile(scratch / "run");
    ASSERT_EQ(live.size(), fromFile.size());
    for (std::size_t i = 0; i < live.size(); ++i) {
        EXPECT_TRUE(live[i] == fromFile[i]) << "event " << i;
    }
    const auto& finished = std::get<RunFinished>(live.back().body);
    EXPECT_EQ(finished.outcome, RunOutcome::Completed);
    EXPECT_EQ(finished.steps, 12);
    EXPECT_TRUE(fs::exists(scratch / "run" / "adapter"));
}

TEST(InProcessTraining, StopsOnRequestAndRunsAgain)
{
    const ScratchFolder scratch;
    RunConfig endless = goldenConfig();
    endless.schedule.steps = 1000000;
    const auto training = app::makeInProcessTraining();
    training->start(endless, scratch / "first");
    EXPECT_TRUE(training->isRunning());
    training->request(ControlRequest::Stop);
    std::vector<Event> events = drainToTheEnd(*training);
    EXPECT_EQ(std::get<RunFinished>(events.back().body).outcome, RunOutcome::Stopped);

    training->start(goldenConfig(), scratch / "second");
    events = drainToTheEnd(*training);
    EXPECT_EQ(events.front().header.sequence, 0) << "nothing of the first run is left";
    EXPECT_EQ(std::get<RunFinished>(events.back().body).outcome, RunOutcome::Completed);
}

TEST(InProcessTraining, TellsByAnEventWhyItCannotBegin)
{
    const ScratchFolder scratch;
    writeFile(scratch / "file", "");
    const auto training = app::makeInProcessTraining();
    training->start(goldenConfig(), scratch / "file" / "run");
    const std::vector<Event> events = drainToTheEnd(*training);
    ASSERT_FALSE(events.empty());
    const auto& finished = std::get<RunFinished>(events.back().body);
    EXPECT_EQ(finished.outcome, RunOutcome::Failed);
    EXPECT_EQ(finished.exitStatus, 3);
    EXPECT_FALSE(finished.message.empty());
}

TEST(InProcessTraining, StopsAndWaitsAtTheEndOfTheProgram)
{
    const ScratchFolder scratch;
    RunConfig endless = goldenConfig();
    endless.schedule.steps = 1000000;
    {
        const auto training = app::makeInProcessTraining();
        training->start(endless, scratch / "run");
        EXPECT_TRUE(eventually([&] { return RunDirectory::holdsRun(scratch / "run"); }));
        training->stopAndWait();
        EXPECT_FALSE(training->isRunning());
    }
    const auto events = eventsInFile(scratch / "run");
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(std::get<RunFinished>(events.back().body).outcome, RunOutcome::Stopped);
}

} // namespace

} // namespace longlora::test
