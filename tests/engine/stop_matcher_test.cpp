// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/stop_matcher.h"
#include "core/spec/base/error.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

struct Outcome {
    std::string text;
    bool stopped;
};

Outcome stream(const std::vector<std::string>& stops, const std::vector<std::string>& pieces)
{
    StopMatcher matcher(stops);
    Outcome outcome{{}, false};
    for (const std::string& piece : pieces) {
        outcome.text += matcher.push(piece);
    }
    outcome.text += matcher.finish();
    outcome.stopped = matcher.stopped();
    return outcome;
}

TEST(StopMatcher, EndsBeforeTheStopHoweverTheTextIsCut)
{
    const std::string text = "one two\n\nUser: three";
    const std::string stop = "\n\nUser:";
    for (std::size_t size = 1; size <= text.size(); ++size) {
        std::vector<std::string> pieces;
        for (std::size_t begin = 0; begin < text.size(); begin += size) {
            pieces.push_back(text.substr(begin, size));
        }
        const Outcome outcome = stream({"</end>", stop}, pieces);
        EXPECT_EQ(outcome.text, "one two") << size;
        EXPECT_TRUE(outcome.stopped) << size;
    }
}

TEST(StopMatcher, LetsThroughWhatOnlyBeganLikeAStop)
{
    StopMatcher matcher({"aab"});
    EXPECT_EQ(matcher.push("xa"), "x");
    EXPECT_EQ(matcher.push("a"), "");  // "aa" may still become "aab"
    EXPECT_EQ(matcher.push("a"), "a"); // "aaa": its first letter cannot
    EXPECT_EQ(matcher.push("c"), "aac");
    EXPECT_FALSE(matcher.stopped());
}

TEST(StopMatcher, GivesBackWhatItHeldWhenTheStreamEnds)
{
    const Outcome outcome = stream({"STOP"}, {"do not ST", "O"});
    EXPECT_EQ(outcome.text, "do not STO");
    EXPECT_FALSE(outcome.stopped);
}

TEST(StopMatcher, TakesTheEarliestOfSeveral)
{
    EXPECT_EQ(stream({"three", "two"}, {"one two three"}).text, "one ");
    EXPECT_EQ(stream({"b", "ab"}, {"xab"}).text, "x");
}

TEST(StopMatcher, SaysNothingAfterAStop)
{
    StopMatcher matcher({"."});
    EXPECT_EQ(matcher.push("yes. no"), "yes");
    EXPECT_EQ(matcher.push("more"), "");
    EXPECT_EQ(matcher.finish(), "");
}

TEST(StopMatcher, WithoutStopsNothingIsHeldBack)
{
    StopMatcher matcher({});
    EXPECT_EQ(matcher.push("abc"), "abc");
    EXPECT_EQ(matcher.finish(), "");
}

TEST(StopMatcher, RefusesAnEmptyStop)
{
    EXPECT_THROW(StopMatcher({"a", ""}), ConfigError);
}

} // namespace
} // namespace longlora
