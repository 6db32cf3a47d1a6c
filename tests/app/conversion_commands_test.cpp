// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/app/program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace longlora::test {

namespace fs = std::filesystem;

namespace {

TEST(GgufCommands, ExportAndImportSayWhatTheyWrote)
{
    const ScratchFolder scratch;
    const Outcome exported = run({"export", "gguf", "--model", "models/tiny-shakespeare", "--out",
                                  scratch / "m.gguf", "--dtype", "q8_0", "--json"});
    ASSERT_EQ(exported.status, 0) << exported.err;
    const auto exportJson = exported.json();
    EXPECT_EQ(exportJson.at("dtype"), "q8_0");
    EXPECT_EQ(exportJson.at("bytes"), fs::file_size(scratch / "m.gguf"));
    EXPECT_GT(exportJson.at("tensors").get<int>(), 0);

    const Outcome imported =
        run({"import", "gguf", "--file", scratch / "m.gguf", "--out", scratch / "back", "--json"});
    ASSERT_EQ(imported.status, 0) << imported.err;
    const auto importJson = imported.json();
    EXPECT_EQ(importJson.at("out"), (scratch / "back").string());
    EXPECT_EQ(importJson.at("tensors"), exportJson.at("tensors"));
    EXPECT_EQ(importJson.at("dtype"), "fp32");
    for (const char* key : {"bytes", "rope", "seconds"}) {
        EXPECT_TRUE(importJson.contains(key)) << key;
    }

    const std::string text = "Now is the winter of our discontent";
    const auto idsOf = [&](const fs::path& model) {
        return run({"tokenize", "--model", model, "--text", text, "--json"}).json().at("ids");
    };
    EXPECT_EQ(idsOf(scratch / "back"), idsOf("models/tiny-shakespeare"));
}

TEST(GgufCommands, SayWhereTheModelIsAndItsRope)
{
    const ScratchFolder scratch;
    const Outcome outcome =
        run({"import", "gguf", "--file", "gguf/linear.f16.gguf", "--out", scratch / "model"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out.find((scratch / "model").string()), 0U);
    EXPECT_NE(outcome.out.find("rope linear x 4"), std::string::npos);
}

TEST(GgufCommands, BadInputEndsWithItsStatusAndOneLine)
{
    const ScratchFolder scratch;
    writeFile(scratch / "bad.gguf", "GGUF\x01");
    const auto refusal = [&](const std::vector<std::string>& arguments, int status) {
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.status, status) << outcome.err;
        return outcome.lastErrorLine();
    };
    const std::string out = scratch / "out";
    EXPECT_NE(refusal({"import", "gguf", "--file", scratch / "bad.gguf", "--out", out}, 3)
                  .find("bad.gguf, offset 5"),
              std::string::npos);
    EXPECT_NE(refusal({"import", "gguf", "--file", scratch / "absent.gguf", "--out", out}, 3)
                  .find("absent.gguf"),
              std::string::npos);
    refusal({"import", "gguf", "--file", scratch / "bad.gguf"}, 2);
    refusal({"import", "gguf", "--file", "gguf/linear.f16.gguf", "--out", out, "--dtype", "q8"}, 2);
    refusal({"export", "gguf", "--model", "models/llama-dynamic", "--out", out}, 3);
    refusal({"export", "gguf", "--model", "models/absent", "--out", out}, 3);
    EXPECT_NE(refusal({"import"}, 2).find("needs to know what"), std::string::npos);
    EXPECT_NE(refusal({"import", "gguff"}, 2).find("gguf"), std::string::npos);
    EXPECT_FALSE(fs::exists(scratch / "out"));
}

} // namespace
} // namespace longlora::test
