// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

TEST(Error, KindsHaveTheDocumentedExitStatuses)
{
    EXPECT_EQ(ConfigError("x").exitStatus(), ExitStatus::Usage);
    EXPECT_EQ(FormatError("f", "", "x").exitStatus(), ExitStatus::Data);
    EXPECT_EQ(DataError("x").exitStatus(), ExitStatus::Data);
    EXPECT_EQ(DeviceError("x").exitStatus(), ExitStatus::Device);
    EXPECT_EQ(static_cast<int>(ExitStatus::Stopped), 5);
    EXPECT_EQ(static_cast<int>(ExitStatus::Distributed), 6);
    EXPECT_EQ(static_cast<int>(ExitStatus::Bug), 70);
}

TEST(Error, DescriptionHasMessageContextInnermostFirstAndHint)
{
    DataError error("the file is empty", "Choose another file.");
    error.addContext("while reading a.txt");
    error.addContext("while preparing the run");
    EXPECT_EQ(error.describe(), "the file is empty (while reading a.txt, while preparing the run). "
                                "Choose another file.");
}

TEST(Error, DescriptionWithoutHintOrContextIsTheMessage)
{
    EXPECT_EQ(ConfigError("lora.rank: 0 is outside 1 to 4096").describe(),
              "lora.rank: 0 is outside 1 to 4096");
}

TEST(Error, DescriptionStaysOnOneLineAndHasNoDoubledPeriod)
{
    EXPECT_EQ(DataError("first\nsecond.", "Third.").describe(), "first second. Third.");
}

TEST(Error, DescriptionCannotCommandATerminal)
{
    EXPECT_EQ(DataError("a\x1B[2Jb\x7F\xC2\x9B"
                        "c\xC3\x9B")
                  .describe(),
              "a [2Jb   c\xC3\x9B");
}

TEST(Error, DescriptionIsShortWhateverTheFileHolds)
{
    EXPECT_EQ(DataError(std::string(5000, '\xBF')).describe().size(), 1200U);
    std::string name = "x";
    for (int i = 0; i < 5000; ++i) {
        name += "\xC3\x84";
    }
    EXPECT_EQ(DataError(name, "Hint.").describe(), name.substr(0, 1199) + ".... Hint.");
}

TEST(Error, FormatErrorNamesFileAndPlace)
{
    EXPECT_STREQ(FormatError("config.json", "key hidden_size", "missing").what(),
                 "config.json, key hidden_size: missing");
    EXPECT_STREQ(FormatError("config.json", "", "empty").what(), "config.json: empty");
}

TEST(Error, ContextAddedOnTheWayUpReachesTheTop)
{
    try {
        try {
            throw FormatError("a", "line 3", "bad");
        } catch (Error& error) {
            error.addContext("while reading a run");
            throw;
        }
    } catch (const FormatError& error) {
        EXPECT_EQ(error.context(), std::vector<std::string>{"while reading a run"});
    }
}

} // namespace
} // namespace longlora
