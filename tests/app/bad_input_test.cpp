// SPDX-License-Identifier: GPL-3.0-or-later
// What people get wrong, end to end: one clear line, the documented status, nothing half-written.
#include "tests/app/program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <limits>

namespace longlora::test {

namespace fs = std::filesystem;

namespace {

void expectRefused(const Outcome& outcome, int status, const std::string& said)
{
    EXPECT_EQ(outcome.status, status) << outcome.err;
    EXPECT_TRUE(outcome.lastErrorLine().starts_with("longlora: ")) << outcome.err;
    EXPECT_NE(outcome.lastErrorLine().find(said), std::string::npos) << outcome.err;
}

/// Replaces `what` in a JSON file.
void replaceIn(const fs::path& file, const std::string& what, const std::string& by)
{
    std::string text = readFile(file);
    const std::size_t place = text.find(what);
    ASSERT_NE(place, std::string::npos) << what;
    text.replace(place, what.size(), by);
    writeFile(file, text);
}

class BadModelTest : public ::testing::Test {
protected:
    const fs::path& copy() { return copyOfModel("llama-mha", m_scratch / "model"), m_model; }
    const fs::path& model() const { return m_model; }

    /// Every command that reads weights says the same.
    void expectUnusable(const std::string& said, const std::string& run = "mha-extend-s2")
    {
        writeFile(m_scratch / "ids.json", "[1, 2, 3]");
        expectRefused(test::run({"logits", "--model", m_model, "--ids", m_scratch / "ids.json",
                                 "--out", m_scratch / "logits.safetensors"}),
                      3, said);
        EXPECT_FALSE(fs::exists(m_scratch / "logits.safetensors"));
        expectRefused(test::run({"train", "--config", "training/" + run + "/run_config.json",
                                 "--set", "model=" + m_model.string(), "--run", m_scratch / "run"}),
                      3, said);
        EXPECT_FALSE(fs::exists(m_scratch / "run" / "adapter"));
        expectRefused(test::run({"inspect", m_model, "--json"}), 3, said);
    }

    ScratchFolder m_scratch;
    fs::path m_model = m_scratch / "model";
};

TEST_F(BadModelTest, MissingWeights)
{
    copy();
    fs::remove(model() / "model.safetensors");
    expectUnusable("model.safetensors");
}

TEST_F(BadModelTest, TruncatedWeights)
{
    copy();
    const fs::path weights = model() / "model.safetensors";
    fs::resize_file(weights, fs::file_size(weights) / 2);
    expectUnusable("model.safetensors");
}

TEST_F(BadModelTest, MissingShard)
{
    copyOfModel("llama-gqa-llama3", model());
    fs::remove(model() / "model-00003-of-00005.safetensors");
    expectUnusable("model-00003-of-00005.safetensors", "gqa-llama3-s2");
}

TEST_F(BadModelTest, WrongShapes)
{
    copy();
    replaceIn(model() / "config.json", "\"intermediate_size\": ", "\"intermediate_size\": 1");
    expectUnusable("mlp");
}

TEST_F(BadModelTest, UnknownArchitecture)
{
    copy();
    replaceIn(model() / "config.json", "LlamaForCausalLM", "GemmaForCausalLM");
    expectUnusable("GemmaForCausalLM");
}

TEST_F(BadModelTest, BrokenConfig)
{
    copy();
    replaceIn(model() / "config.json", "{", "{,");
    expectUnusable("config.json");
}

TEST_F(BadModelTest, WeightsThatAreNoNumbers)
{
    copy();
    std::string bytes = readFile(model() / "model.safetensors");
    const float nan = std::numeric_limits<float>::quiet_NaN();
    // The last number of the file's data.
    std::memcpy(bytes.data() + bytes.size() - sizeof nan, &nan, sizeof nan);
    writeFile(model() / "model.safetensors", bytes);
    expectUnusable("NaN");
}

TEST(BadModel, NoSuchFolderOrName)
{
    expectRefused(run({"logits", "--model", "nowhere", "--ids", "x", "--out", "y"}), 3,
                  "no model folder \"nowhere\"");
}

class BadDataTest : public ::testing::Test {
protected:
    Outcome trainOn(const std::string& data)
    {
        return run({"train", "--set", "model=models/tiny-shakespeare", "--set",
                    "data.train=" + data, "--set", "schedule.steps=1", "--run", m_scratch / "run"});
    }

    ScratchFolder m_scratch;
};

TEST_F(BadDataTest, EmptyFile)
{
    writeFile(m_scratch / "empty.txt", "");
    expectRefused(trainOn(m_scratch / "empty.txt"), 3, "empty.txt");
    EXPECT_FALSE(fs::exists(m_scratch / "run" / "adapter"));
}

TEST_F(BadDataTest, NotUtf8)
{
    writeFile(m_scratch / "latin1.txt", "caf\xe9 and more text\n");
    expectRefused(trainOn(m_scratch / "latin1.txt"), 3, "UTF-8");
}

TEST_F(BadDataTest, MissingFile)
{
    expectRefused(trainOn(m_scratch / "none.txt"), 3, "none.txt");
}

TEST_F(BadDataTest, BadJsonLine)
{
    writeFile(m_scratch / "rows.jsonl", "{\"text\": \"fine\"}\n{\"text\": 3}\n");
    expectRefused(trainOn(m_scratch / "rows.jsonl"), 3, "line 2");
}

TEST_F(BadDataTest, IdOutsideTheVocabulary)
{
    writeFile(m_scratch / "rows.jsonl", "{\"input_ids\": [1, 2, 999999]}\n");
    expectRefused(trainOn(m_scratch / "rows.jsonl"), 3, "999999");
}

TEST_F(BadDataTest, ShorterThanARow)
{
    writeFile(m_scratch / "short.txt", "Too short.");
    const Outcome outcome = run({"train", "--set", "model=models/tiny-shakespeare", "--set",
                                 "data.train=" + (m_scratch / "short.txt").string(), "--set",
                                 "data.packing=stream", "--run", m_scratch / "run"});
    expectRefused(outcome, 3, "128");
}

TEST_F(BadDataTest, HeldOutTextThatIsTooShort)
{
    writeFile(m_scratch / "short.txt", "a");
    expectRefused(run({"evaluate", "perplexity", "--model", "models/tiny-shakespeare", "--data",
                       m_scratch / "short.txt", "--context", "64", "--rule", "paper"}),
                  3, "64");
}

TEST_F(BadDataTest, PromptBeyondTheContext)
{
    writeFile(m_scratch / "long.txt", std::string(4000, 'x'));
    expectRefused(run({"generate", "--model", "models/tiny-shakespeare", "--prompt-file",
                       m_scratch / "long.txt"}),
                  3, "128");
}

TEST(BadConfig, UnknownKeyNamesTheNearest)
{
    const ScratchFolder scratch;
    writeFile(scratch / "run.json", R"({"model": "models/llama-mha", "lora": {"rnak": 4}})");
    expectRefused(run({"train", "--config", scratch / "run.json"}), 2, "lora.rank");
}

TEST(BadConfig, NotJson)
{
    const ScratchFolder scratch;
    writeFile(scratch / "run.json", "model = here");
    expectRefused(run({"plan", "--config", scratch / "run.json"}), 3, "run.json");
}

TEST(BadAdapter, OfAnotherBase)
{
    const ScratchFolder scratch;
    const Outcome outcome = run({"merge", "--base", "models/llama-mha", "--adapter",
                                 "adapters/gqa-plain", "--out", scratch / "merged"});
    expectRefused(outcome, 3, "");
    EXPECT_TRUE(fs::is_empty(scratch.path())) << "nothing half-written, hidden folders included";
}

TEST(BadOutput, MergedFolderThatExists)
{
    const ScratchFolder scratch;
    fs::create_directory(scratch / "merged");
    expectRefused(run({"merge", "--base", "models/llama-gqa-llama3", "--adapter",
                       "adapters/gqa-plain", "--out", scratch / "merged"}),
                  2, "merged");
}

TEST(BadOutput, RunFolderThatCannotBeMade)
{
    const ScratchFolder scratch;
    writeFile(scratch / "file", "");
    expectRefused(run({"train", "--config", "training/mha-extend-s2/run_config.json", "--run",
                       scratch / "file" / "run"}),
                  3, "file");
}

TEST(BadOutput, RunFolderWithoutTheRightToWrite)
{
    if (::geteuid() == 0) {
        GTEST_SKIP() << "root may write everywhere";
    }
    const ScratchFolder scratch;
    fs::create_directory(scratch / "locked");
    fs::permissions(scratch / "locked", fs::perms::owner_read | fs::perms::owner_exec);
    expectRefused(run({"train", "--config", "training/mha-extend-s2/run_config.json", "--run",
                       scratch / "locked" / "run"}),
                  3, "locked");
    fs::permissions(scratch / "locked", fs::perms::owner_all);
}

TEST(BadOutput, RunFolderThatHoldsARun)
{
    const ScratchFolder scratch;
    writeFile(scratch / "run.json", "{}");
    expectRefused(run({"train", "--config", "training/mha-extend-s2/run_config.json", "--run",
                       scratch.path()}),
                  3, "holds a run already");
    EXPECT_EQ(readFile(scratch / "run.json"), "{}");
}

/// Limits how large a file the program may write: a full disk that needs no disk.
void limitFileSize(std::uintmax_t bytes)
{
    const rlimit limit{bytes, bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
}

TEST(FullDisk, LeavesNoHalfWrittenModel)
{
    const ScratchFolder scratch;
    Program::Options options;
    options.prepare = [] { limitFileSize(100'000); };
    const Outcome outcome = run({"merge", "--base", "models/llama-gqa-llama3", "--adapter",
                                 "adapters/gqa-plain", "--out", scratch / "merged"},
                                options);
    expectRefused(outcome, 3, "");
    EXPECT_TRUE(fs::is_empty(scratch.path()));
}

TEST(FullDisk, LeavesNoHalfWrittenCheckpoint)
{
    const ScratchFolder scratch;
    Program::Options options;
    options.prepare = [] { limitFileSize(100'000); };
    const Outcome outcome = run({"train", "--config", "training/mha-extend-s2/run_config.json",
                                 "--set", "checkpoint.every_steps=2", "--run", scratch / "run"},
                                options);
    expectRefused(outcome, 3, "");
    EXPECT_FALSE(fs::exists(scratch / "run" / "adapter"));
    EXPECT_FALSE(fs::exists(scratch / "run" / "checkpoints" / "step-000002"));
    EXPECT_FALSE(fs::exists(scratch / "run" / "checkpoints" / "latest"));
}

TEST(FullDisk, SaysSo)
{
    const ScratchFolder scratch;
    if (::mount("tmpfs", scratch.path().c_str(), "tmpfs", 0, "size=300k") != 0) {
        GTEST_SKIP() << "mounting a small disk is not allowed here";
    }
    const Outcome outcome = run({"merge", "--base", "models/llama-gqa-llama3", "--adapter",
                                 "adapters/gqa-plain", "--out", scratch / "merged"});
    expectRefused(outcome, 3, "space");
    EXPECT_TRUE(fs::is_empty(scratch.path()));
    ::umount(scratch.path().c_str());
}

} // namespace

} // namespace longlora::test
