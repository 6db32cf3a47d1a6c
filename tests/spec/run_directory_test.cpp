// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/run/run_directory.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace longlora {
namespace {

namespace fs = std::filesystem;
using test::contentOf;
using test::messageOf;
using test::TemporaryFolder;

RunDirectory madeIn(const TemporaryFolder& folder)
{
    RunDirectory run = RunDirectory::create(folder.path() / "run");
    RunConfig config;
    config.model = "models/x";
    config.data.train = {"a.txt"};
    config.context.length = 4096;
    run.writeConfig(config);
    return run;
}

TEST(RunDirectory, ConfigSurvives)
{
    const TemporaryFolder folder;
    const RunDirectory run = madeIn(folder);
    EXPECT_TRUE(RunDirectory::holdsRun(run.path()));
    const RunConfig config = RunDirectory::open(run.path()).readConfig();
    EXPECT_EQ(config.model, "models/x");
    EXPECT_EQ(config.context.length, 4096);
    run.writePlan("{}");
    run.writeEnvironment("[]");
    EXPECT_EQ(contentOf(run.path() / "plan.json"), "{}");
    EXPECT_EQ(contentOf(run.path() / "environment.json"), "[]");
    EXPECT_EQ(run.eventFile(3).filename(), "events.rank3.jsonl");
    EXPECT_EQ(run.resultFolder(), run.path() / "adapter");
}

TEST(RunDirectory, CreateMakesParentsAndTakesAnEmptyFolder)
{
    const TemporaryFolder folder;
    RunDirectory::create(folder.path() / "a" / "b" / "c");
    EXPECT_TRUE(fs::is_directory(folder.path() / "a" / "b" / "c" / "control"));
    fs::create_directory(folder.path() / "empty");
    RunDirectory::create(folder.path() / "empty");
    RunDirectory::create(folder.path() / "empty"); // what an attempt left is no obstacle
}

TEST(RunDirectory, CreateRefusesARunAndAForeignFolder)
{
    const TemporaryFolder folder;
    const RunDirectory run = madeIn(folder);
    EXPECT_NE(messageOf<DataError>([&] { RunDirectory::create(run.path()); }).find("holds a run"),
              std::string::npos);
    folder.write("letter.txt", "dear");
    EXPECT_NE(messageOf<DataError>([&] { RunDirectory::create(folder.path()); }).find("not empty"),
              std::string::npos);
}

TEST(RunDirectory, CreateNamesWhatStandsInTheWay)
{
    const TemporaryFolder folder;
    const auto file = folder.write("file", "x");
    const std::string message = messageOf<DataError>([&] { RunDirectory::create(file / "run"); });
    EXPECT_NE(message.find(file.string()), std::string::npos) << message;
    EXPECT_NE(message.find("Not a directory"), std::string::npos) << message;
}

TEST(RunDirectory, OpenRefusesAFolderWithoutRun)
{
    const TemporaryFolder folder;
    EXPECT_NE(messageOf<DataError>([&] { RunDirectory::open(folder.path()); }).find("run.json"),
              std::string::npos);
}

TEST(RunDirectory, ACommittedCheckpointIsCompleteAndLatest)
{
    const TemporaryFolder folder;
    const RunDirectory run = madeIn(folder);
    for (const std::int64_t step : {100, 200, 300}) {
        const fs::path temporary = run.temporaryCheckpointFolder(step);
        EXPECT_TRUE(fs::is_empty(temporary));
        std::ofstream(temporary / "state") << step;
        EXPECT_EQ(run.checkpointSteps().size(), step == 100 ? 0U : step == 200 ? 1U : 2U);
        run.commitCheckpoint(step, 2);
        EXPECT_EQ(contentOf(run.path() / "checkpoints" / "latest" / "state"), std::to_string(step));
    }
    EXPECT_EQ(run.checkpointSteps(), (std::vector<std::int64_t>{200, 300}));
    EXPECT_EQ(fs::read_symlink(run.path() / "checkpoints" / "latest"), "step-000300");
    EXPECT_EQ(run.checkpointFolder(300).filename(), "step-000300");
    EXPECT_FALSE(fs::exists(run.checkpointFolder(100)));
}

TEST(RunDirectory, ACheckpointCanBeReplacedAndTheNewestIsNeverRemoved)
{
    const TemporaryFolder folder;
    const RunDirectory run = madeIn(folder);
    for (const char* content : {"old", "new"}) {
        std::ofstream(run.temporaryCheckpointFolder(5) / "state") << content;
        run.commitCheckpoint(5, 0);
    }
    EXPECT_EQ(contentOf(run.checkpointFolder(5) / "state"), "new");
    EXPECT_EQ(run.checkpointSteps(), std::vector<std::int64_t>{5});
    std::size_t entries = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(run.path() / "checkpoints")) {
        ++entries;
    }
    EXPECT_EQ(entries, 2U); // the checkpoint and the link: nothing temporary stays
}

TEST(RunDirectory, CheckpointStepsIgnoresWhatIsNoCheckpoint)
{
    const TemporaryFolder folder;
    const RunDirectory run = madeIn(folder);
    for (const char* name : {"step-000007", "step-000008.tmp", "step-9", "step--00001", "step-",
                             "other", "step-1000000"}) {
        fs::create_directories(run.path() / "checkpoints" / name);
    }
    std::ofstream(run.path() / "checkpoints" / "step-000010") << "a file";
    EXPECT_EQ(run.checkpointSteps(), (std::vector<std::int64_t>{7, 1000000}));
}

TEST(RunDirectory, ATemporaryFolderIsEmptyAgain)
{
    const TemporaryFolder folder;
    const RunDirectory run = madeIn(folder);
    std::ofstream(run.temporaryCheckpointFolder(1) / "half") << "x";
    EXPECT_TRUE(fs::is_empty(run.temporaryCheckpointFolder(1)));
}

TEST(RunControlFiles, RequestsArriveInOrderOnce)
{
    const TemporaryFolder folder;
    const RunDirectory run = madeIn(folder);
    const RunLock lock(run);
    std::vector<ControlRequest> sent;
    for (int i = 0; i < 20; ++i) {
        sent.push_back(static_cast<ControlRequest>(i % 4));
        run.postControl(sent.back());
    }
    EXPECT_EQ(run.takeControl(), sent);
    EXPECT_TRUE(run.takeControl().empty());
}

TEST(RunControlFiles, NobodyIsAskedWhenNobodyRuns)
{
    const TemporaryFolder folder;
    const RunDirectory run = madeIn(folder);
    const std::string message =
        messageOf<DataError>([&] { run.postControl(ControlRequest::Stop); });
    EXPECT_NE(message.find("the run is not running"), std::string::npos) << message;
    EXPECT_TRUE(fs::is_empty(run.path() / "control"));
}

TEST(RunControlFiles, ForeignFilesAreLeftAlone)
{
    const TemporaryFolder folder;
    const RunDirectory run = madeIn(folder);
    const fs::path control = run.path() / "control";
    for (const char* name : {"stop", "x-stop", "5-destroy", "-stop", "99999999999999999999999-stop",
                             "7-stop.tmp-1-2"}) {
        std::ofstream(control / name) << "";
    }
    std::ofstream(control / "12-hold") << "";
    EXPECT_EQ(run.takeControl(), std::vector<ControlRequest>{ControlRequest::Hold});
    EXPECT_TRUE(fs::exists(control / "5-destroy"));
}

TEST(RunControlFiles, RequestsToAnEarlierOwnerAreNotObeyed)
{
    const TemporaryFolder folder;
    const RunDirectory run = madeIn(folder);
    {
        const RunLock lock(run);
        run.postControl(ControlRequest::Stop);
    }
    const RunLock lock(run);
    EXPECT_TRUE(run.takeControl().empty());
}

TEST(RunLock, HasOneOwnerAndNamesIt)
{
    const TemporaryFolder folder;
    const RunDirectory run = madeIn(folder);
    EXPECT_FALSE(RunLock::isHeld(run));
    {
        const RunLock lock(run);
        EXPECT_TRUE(RunLock::isHeld(run));
        const std::string message = messageOf<DataError>([&] { RunLock second(run); });
        EXPECT_NE(message.find("process " + std::to_string(::getpid()) + " on "), std::string::npos)
            << message;
    }
    EXPECT_FALSE(RunLock::isHeld(run));
    const RunLock again(run);
    EXPECT_TRUE(RunLock::isHeld(run));
}

TEST(RunLock, IsFreeAfterItsOwnerWasKilled)
{
    const TemporaryFolder folder;
    const RunDirectory run = madeIn(folder);
    int ready[2] = {};
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const RunLock lock(run);
        [[maybe_unused]] const ssize_t written = ::write(ready[1], "x", 1);
        ::pause();
        ::_exit(0);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    EXPECT_TRUE(RunLock::isHeld(run));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_FALSE(RunLock::isHeld(run));
    const RunLock lock(run);
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST(RunControl, HoldAndResumeReplaceEachOther)
{
    RunControl control;
    control.request(ControlRequest::Hold);
    EXPECT_TRUE(control.holdRequested());
    control.request(ControlRequest::Resume);
    EXPECT_FALSE(control.holdRequested());
    control.request(ControlRequest::Checkpoint);
    EXPECT_TRUE(control.takeCheckpointRequest());
    EXPECT_FALSE(control.takeCheckpointRequest());
    control.request(ControlRequest::Stop);
    EXPECT_TRUE(control.stopRequested());
    EXPECT_TRUE(control.stopRequested());
}

TEST(RunControl, NamesSurviveTheRoundTrip)
{
    for (const char* name : {"hold", "resume", "checkpoint", "stop"}) {
        ASSERT_TRUE(controlRequestFromName(name));
        EXPECT_EQ(controlRequestName(*controlRequestFromName(name)), name);
    }
    EXPECT_FALSE(controlRequestFromName("park"));
    EXPECT_FALSE(controlRequestFromName(""));
}

} // namespace
} // namespace longlora
