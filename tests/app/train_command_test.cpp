// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/events/event_json.h"
#include "core/spec/run/run_directory.h"
#include "tests/app/program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <csignal>
#include <sstream>

namespace longlora::test {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

void expectKeys(const Json& json, const std::vector<std::string>& keys)
{
    for (const std::string& key : keys) {
        EXPECT_TRUE(json.contains(key)) << key << " is missing in " << json.dump();
    }
}

class GoldenTraining : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenTraining, LossesAreTheReferences)
{
    const ScratchFolder scratch;
    const std::string folder = "training/" + GetParam();
    const Outcome outcome = run({"train", "--config", folder + "/run_config.json", "--init-adapter",
                                 folder + "/initial_adapter", "--run", scratch / "run", "--json"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(outcome.err.starts_with((scratch / "run").string() + "\n"))
        << "the run's folder comes first";
    const Json json = outcome.json();
    expectKeys(json, {"run", "steps", "final_loss", "losses", "tokens_per_second", "peak_bytes",
                      "planned_peak_bytes"});
    const Json expected = Json::parse(readFile(golden(folder + "/steps.json"))).at("losses");
    ASSERT_EQ(json.at("losses").size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_NEAR(json.at("losses").at(i).get<double>(), expected.at(i).get<double>(), 1e-4);
    }
    EXPECT_TRUE(fs::exists(scratch / "run" / "adapter" / "adapter_model.safetensors"));
    EXPECT_TRUE(fs::exists(scratch / "run" / "run.json"));
    EXPECT_GT(json.at("peak_bytes").get<double>(), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Each, GoldenTraining,
                         ::testing::Values("mha-extend-s2", "gqa-llama3-s2", "gqa-llama3-full"));

TEST(TrainCommand, TrainsOnAFrozenBaseInFourBits)
{
    const ScratchFolder scratch;
    const auto lossesWith = [&](const std::string& quantization) {
        const Outcome outcome =
            run({"train", "--config", "training/mha-extend-s2/run_config.json", "--set",
                 "quantization=" + quantization, "--run", scratch / quantization, "--json"});
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        return outcome.json().at("losses").get<std::vector<double>>();
    };
    const std::vector<double> full = lossesWith("none");
    const std::vector<double> packed = lossesWith("nf4");
    ASSERT_EQ(packed.size(), full.size());
    EXPECT_NE(packed.front(), full.front()) << "4 bits are not exact";
    EXPECT_NEAR(packed.front(), full.front(), 0.05 * full.front());
    EXPECT_LT(packed.back(), packed.front());
    const Outcome merged = run({"merge", "--base", "models/llama-mha", "--adapter",
                                scratch / "nf4" / "adapter", "--out", scratch / "merged"});
    EXPECT_EQ(merged.status, 0) << merged.err;
}

TEST(TrainCommand, PrintsTheFolderFirstAndKeepsAbsolutePaths)
{
    const ScratchFolder scratch;
    const Outcome outcome = run({"train", "--config", "training/mha-extend-s2/run_config.json",
                                 "--set", "schedule.steps=1", "--run", scratch / "run"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(outcome.out.starts_with((scratch / "run").string() + "\n")) << outcome.out;
    const Json config = Json::parse(readFile(scratch / "run" / "run.json"));
    EXPECT_EQ(config.at("model"), golden("models/llama-mha").string());
    EXPECT_EQ(config.at("schedule").at("steps"), 1);
}

/// The golden run with a shape of 70B parameters: more than any machine of the tests has.
TEST(TrainCommand, RefusesWhatDoesNotFitBeforeAnythingIsWritten)
{
    const ScratchFolder scratch;
    const fs::path shape = golden("../../resources/shapes/llama2-70b");
    const std::vector<std::string> arguments{"train",
                                             "--config",
                                             "training/mha-extend-s2/run_config.json",
                                             "--set",
                                             "model=" + shape.string(),
                                             "--run",
                                             scratch / "run"};
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 4) << outcome.err;
    const std::string said = outcome.lastErrorLine();
    EXPECT_NE(said.find("The run does not fit: it needs "), std::string::npos) << said;
    EXPECT_FALSE(fs::exists(scratch / "run"));

    std::vector<std::string> planned = arguments;
    planned[0] = "plan";
    planned.resize(planned.size() - 2);
    EXPECT_EQ(run(planned).lastErrorLine().substr(0, 40), said.substr(0, 40));

    std::vector<std::string> ignoring = arguments;
    ignoring.push_back("--ignore-plan");
    EXPECT_EQ(run(ignoring).status, 3) << "then the missing weights are found";
}

TEST(TrainCommand, PresetNamesNoModelToTrain)
{
    const Outcome outcome = run({"train", "--preset", "single-24gb-7b-16k", "--set",
                                 "data.train=[\"training/mha-extend-s2/train.jsonl\"]"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.lastErrorLine().find("--set model=DIR"), std::string::npos) << outcome.err;
}

TEST(TrainCommand, GoesToTheRunsFolderByDefault)
{
    const ScratchFolder scratch;
    Program::Options options;
    options.environment = {"XDG_DATA_HOME=" + scratch.path().string()};
    const Outcome outcome = run({"train", "--config", "training/mha-extend-s2/run_config.json",
                                 "--set", "schedule.steps=1", "--json"},
                                options);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const fs::path folder(outcome.json().at("run").get<std::string>());
    EXPECT_EQ(folder.parent_path(), scratch / "longlora-workbench" / "runs");
    EXPECT_TRUE(RunDirectory::holdsRun(folder));
}

TEST(TrainCommand, ReadsTextWithATokenizerJson)
{
    const ScratchFolder scratch;
    const fs::path model = copyOfModel("llama-mha", scratch / "model");
    fs::copy_file(golden("tokenizer/tiny-bpe/tokenizer.json"), model / "tokenizer.json");
    std::string text;
    for (int line = 0; line < 100; ++line) {
        text += "Who reads this line, number " + std::to_string(line) + ", reads words.\n";
    }
    writeFile(scratch / "book.txt", text);
    const Outcome outcome = run({"train", "--config", "training/mha-extend-s2/run_config.json",
                                 "--set", "model=" + model.string(), "--set",
                                 "data.train=[\"" + (scratch / "book.txt").string() + "\"]",
                                 "--set", "schedule.steps=1", "--run", scratch / "run", "--json"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(std::isfinite(outcome.json().at("final_loss").get<double>()));
}

TEST(TrainCommand, DryRunMeasuresAndKeepsNothing)
{
    const ScratchFolder scratch;
    Program::Options options;
    options.environment = {"XDG_DATA_HOME=" + scratch.path().string()};
    const Outcome outcome =
        run({"train", "--config", "training/mha-extend-s2/run_config.json", "--dry-run", "--json"},
            options);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.json().at("steps"), 2);
    EXPECT_GT(outcome.json().at("peak_bytes").get<double>(), 0.0);
    EXPECT_FALSE(fs::exists(outcome.json().at("run").get<std::string>()));
    const Json figures = outcome.json().at("dry_run");
    ASSERT_EQ(figures.size(), 4U);
    for (const std::size_t known : {0U, 1U, 2U}) {
        EXPECT_GT(figures.at(known).at("predicted").get<double>(), 0.0) << figures.at(known);
        EXPECT_GT(figures.at(known).at("measured").get<double>(), 0.0) << figures.at(known);
    }
    EXPECT_TRUE(figures.at(3).at("predicted").is_null()) << "a disk's speed is not foretold";
}

/// A run that goes on until somebody ends it.
class LongRun {
public:
    LongRun()
        : m_program({"train", "--config", "training/mha-extend-s2/run_config.json", "--set",
                     "schedule.steps=1000000", "--set", "checkpoint.every_steps=0", "--run",
                     m_scratch / "run", "--json"})
    {}

    Program& program() { return m_program; }
    fs::path folder() const { return m_scratch / "run"; }
    std::string events() const { return readFile(folder() / "events.rank0.jsonl"); }
    bool hasEvent(const std::string& part) const
    {
        return events().find(part) != std::string::npos;
    }
    void waitForSteps()
    {
        ASSERT_TRUE(eventually([&] { return hasEvent("\"step\":2,"); })) << m_program.errSoFar();
    }
    Outcome end()
    {
        m_program.signal(SIGTERM);
        return m_program.wait();
    }

private:
    ScratchFolder m_scratch;
    Program m_program;
};

TEST(TrainCommand, EndsWithACheckpointOnSigterm)
{
    LongRun training;
    training.waitForSteps();
    const Outcome outcome = training.end();
    EXPECT_EQ(outcome.status, 5) << outcome.err;
    EXPECT_NE(outcome.lastErrorLine().find("stopped on request"), std::string::npos);
    const Json json = outcome.json();
    EXPECT_EQ(json.at("outcome"), "stopped");
    EXPECT_EQ(json.at("losses").size(), json.at("steps").get<std::size_t>());
    const RunDirectory run = RunDirectory::open(training.folder());
    ASSERT_EQ(run.checkpointSteps().size(), 1U);
    EXPECT_EQ(run.checkpointSteps().front(), json.at("steps").get<std::int64_t>());
    EXPECT_TRUE(fs::exists(training.folder() / "checkpoints/latest/adapter_model.safetensors"));
    EXPECT_FALSE(fs::exists(training.folder() / "adapter"));
}

TEST(TrainCommand, WritesACheckpointOnSigusr1AndGoesOn)
{
    LongRun training;
    training.waitForSteps();
    training.program().signal(SIGUSR1);
    EXPECT_TRUE(eventually([&] { return training.hasEvent("\"type\":\"checkpoint\""); }));
    EXPECT_TRUE(training.program().isRunning());
    EXPECT_EQ(training.end().status, 5);
}

TEST(TrainCommand, EndsAtOnceOnASecondInterrupt)
{
    LongRun training;
    training.waitForSteps();
    ASSERT_EQ(run({"control", training.folder(), "hold"}).status, 0);
    training.program().signal(SIGINT);
    training.program().signal(SIGINT);
    const int status = training.program().wait().status;
    // The first may have been obeyed before the second came.
    EXPECT_TRUE(status == 130 || status == 5) << status;
}

TEST(ControlCommand, HoldsResumesCheckpointsAndStops)
{
    LongRun training;
    training.waitForSteps();
    const auto control = [&](const std::string& request) {
        return run({"control", training.folder(), request, "--wait", "60", "--json"}).json();
    };
    EXPECT_EQ(control("hold").at("state"), "held");
    const std::string held = training.events();
    EXPECT_EQ(control("checkpoint").at("obeyed"), true);
    EXPECT_EQ(training.events().find("\"type\":\"step\"", held.size()), std::string::npos)
        << "no step while it is held";
    EXPECT_EQ(control("resume").at("state"), "running");
    EXPECT_EQ(control("stop").at("state"), "finished");
    EXPECT_EQ(training.program().wait().status, 5);
    const Outcome late = run({"control", training.folder(), "stop"});
    EXPECT_EQ(late.status, 3);
    EXPECT_NE(late.lastErrorLine().find("not running"), std::string::npos);
}

TEST(EventsCommand, PrintsTheFileAndFollowsToTheEnd)
{
    LongRun training;
    training.waitForSteps();
    Program follower({"events", training.folder(), "--follow"});
    EXPECT_TRUE(eventually([&] { return !follower.outSoFar().empty(); }));
    training.end();
    const Outcome followed = follower.wait();
    EXPECT_EQ(followed.status, 0) << followed.err;
    EXPECT_EQ(followed.out, training.events());
    EXPECT_EQ(run({"events", training.folder()}).out, followed.out);
    std::istringstream lines(followed.out);
    std::string line;
    std::int64_t sequence = 0;
    while (std::getline(lines, line)) {
        const auto event = eventFromJson(line);
        ASSERT_TRUE(event) << line;
        EXPECT_EQ(event->header.sequence, sequence++);
    }
}

TEST(InspectCommand, TellsARun)
{
    LongRun training;
    training.waitForSteps();
    training.end();
    const Outcome outcome = run({"inspect", training.folder(), "--json"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.json().at("kind"), "run");
    EXPECT_EQ(outcome.json().at("outcome"), "stopped");
}

} // namespace

} // namespace longlora::test
