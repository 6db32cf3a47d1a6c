// SPDX-License-Identifier: GPL-3.0-or-later
// `longlora demo` on a material of its own: small enough for a test, the same path.
#include "tests/app/program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>

namespace longlora::test {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

std::string repeated(const std::string& text, int times)
{
    std::string all;
    for (int i = 0; i < times; ++i) {
        all += text + " (" + std::to_string(i * i) + ")\n";
    }
    return all;
}

/// The tiny golden model, said to have been made for 64 tokens, and a few lines of text.
fs::path makeMaterial(const fs::path& folder)
{
    fs::create_directories(folder);
    copyOfModel("tiny-shakespeare", folder / "model");
    Json model = Json::parse(readFile(folder / "model" / "config.json"));
    model["max_position_embeddings"] = 64;
    writeFile(folder / "model" / "config.json", model.dump(1));
    const std::string line = "Shall I compare thee to a summer's day?";
    writeFile(folder / "train.txt", repeated(line, 60));
    writeFile(folder / "heldout.txt",
              repeated("So long lives this, and this gives life to thee", 40));
    writeFile(folder / "book.txt", "The pass key is 12345. Remember it.\n");
    writeFile(folder / "tour.json", R"({"document": "book.txt", "expected": " 12345",
        "question": "What is the pass key? The pass key is", "note": "a note <of the demo>"})");
    writeFile(folder / "run_config.json", R"({"model": "model", "data": {"train": ["train.txt"],
        "validation": ["heldout.txt"], "packing": "stream"},
        "context": {"length": 256, "rope": "llama3"}, "attention": {"group": 64},
        "optimizer": {"learning_rate": 0.004}, "precision": {"compute": "fp32"},
        "schedule": {"steps": 3, "warmup_steps": 1}, "batch": {"accumulation": 2},
        "evaluation": {"every_steps": 2}, "checkpoint": {"every_steps": 0}})");
    return folder;
}

TEST(Demo, TellsTheWholeStory)
{
    const ScratchFolder scratch;
    const Outcome outcome = run({"demo", "--material", makeMaterial(scratch / "material"), "--out",
                                 scratch / "out", "--json"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const Json json = outcome.json();
    EXPECT_EQ(json.at("context_before"), 64);
    EXPECT_EQ(json.at("context_after"), 256);
    EXPECT_LT(json.at("merge_max_abs_error").get<double>(), 1e-3);
    EXPECT_GT(json.at("seconds").get<double>(), 0.0);
    for (const char* key : {"perplexity_before", "perplexity_after"}) {
        EXPECT_GT(json.at(key).get<double>(), 1.0) << key;
    }
    for (const char* key : {"passkey_before", "passkey_after"}) {
        EXPECT_GE(json.at(key).get<double>(), 0.0) << key;
        EXPECT_LE(json.at(key).get<double>(), 1.0) << key;
    }
    EXPECT_EQ(json.at("expected"), " 12345");
    for (const char* model : {"base", "untrained_scaling", "extended"}) {
        const Json& grid = json.at("grids").at(model);
        EXPECT_EQ(grid.at("perplexity").size(), 3U);
        EXPECT_EQ(grid.at("passkey").size(), 15U);
        int trials = 0;
        for (const Json& cell : grid.at("passkey")) {
            trials += cell.at("trials").get<int>();
        }
        EXPECT_EQ(trials, 180);
    }
    EXPECT_EQ(json.at("grids").at("base").at("perplexity").at(0).at("perplexity"),
              json.at("perplexity_before"));

    const std::string report = readFile(scratch / "out" / "report.html");
    EXPECT_TRUE(report.starts_with("<!DOCTYPE html>"));
    EXPECT_EQ(report.find("http"), std::string::npos) << "it needs nothing from anywhere";
    EXPECT_EQ(report.find("<script"), std::string::npos);
    EXPECT_NE(report.find("a note &lt;of the demo&gt;"), std::string::npos);
    EXPECT_NE(report.find("prefers-color-scheme: dark"), std::string::npos);
    EXPECT_TRUE(fs::exists(scratch / "out" / "run" / "adapter"));
    EXPECT_EQ(run({"inspect", scratch / "out" / "merged"}).status, 0);
}

TEST(Demo, LeavesNothingWhenItIsStopped)
{
    const ScratchFolder scratch;
    makeMaterial(scratch / "material");
    fs::create_directory(scratch / "place");
    Program demo({"demo", "--material", scratch / "material", "--out", scratch / "place" / "out"});
    ASSERT_TRUE(eventually([&] { return demo.errSoFar().find("2/6") != std::string::npos; }));
    demo.signal(SIGINT);
    const Outcome outcome = demo.wait();
    EXPECT_EQ(outcome.status, 5) << outcome.err;
    EXPECT_TRUE(fs::is_empty(scratch / "place"));
}

TEST(Demo, SaysWhatItsMaterialLacks)
{
    const ScratchFolder scratch;
    makeMaterial(scratch / "material");
    fs::remove(scratch / "material" / "heldout.txt");
    const Outcome outcome =
        run({"demo", "--material", scratch / "material", "--out", scratch / "out"});
    EXPECT_EQ(outcome.status, 3);
    EXPECT_NE(outcome.lastErrorLine().find("heldout.txt"), std::string::npos);
    EXPECT_FALSE(fs::exists(scratch / "out"));
}

} // namespace

} // namespace longlora::test
