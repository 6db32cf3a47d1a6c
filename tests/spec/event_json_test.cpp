// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/events/event_json.h"
#include "tests/spec/made_event.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

namespace longlora {
namespace {

using test::madeEvent;

std::vector<EventBody> bodiesOfEveryKind()
{
    RunStarted started{1000,   4096,
                       8,      920000,
                       30000,  "CPU, 2 threads",
                       "fp32", "S2, group 256, clipped",
                       1.5e9,  {{"weights", 3.7e6, "p x 4"}, {"logits \"x\"\n", 0.1, ""}}};
    StepDone step{7, 3.14159265358979312, 2e-5, 0.1, 4096, 4088, 1.25, 3276.8, 1e9, 1.1e9, true};
    return {
        started,
        step,
        HeldOutMeasured{100, 2.5, 20000, 3.5},
        StateChanged{RunState::Holding, "writing a checkpoint"},
        CheckpointWritten{500, "checkpoints/step-000500", 1234567.0, 0.25},
        DeviceMeasured{140e9, 100e9, 30e9, 0.87, 64.0, 512.34},
        DeviceMeasured{140e9, 100e9, 0.0, 0.0, std::nullopt, std::nullopt},
        Message{MessageLevel::Warning, "tab\tquote\" backslash\\ \xE4\xBD\xA0 \xF0\x9F\x98\x80"},
        RunFinished{RunOutcome::Failed, 12, 1.0, 2.0, 3.0, 4.0, 5.0, "adapter", "what", "do", 4}};
}

TEST(EventJson, EveryBodySurvivesTheRoundTrip)
{
    for (const EventBody& body : bodiesOfEveryKind()) {
        Event event = madeEvent(41, 1763800000.123456, body);
        event.header.run = "a run";
        event.header.rank = 3;
        const std::string line = eventToJson(event);
        EXPECT_EQ(line.find('\n'), std::string::npos) << line;
        const std::optional<Event> back = eventFromJson(line);
        ASSERT_TRUE(back) << line;
        EXPECT_EQ(*back, event) << line;
    }
}

TEST(EventJson, EveryEnumeratorSurvivesTheRoundTrip)
{
    for (int i = 0; i <= static_cast<int>(RunState::Finished); ++i) {
        const Event event = madeEvent(i, 1.0, StateChanged{static_cast<RunState>(i), ""});
        EXPECT_EQ(eventFromJson(eventToJson(event)), event);
    }
    for (int i = 0; i <= static_cast<int>(MessageLevel::Error); ++i) {
        const Event event = madeEvent(i, 1.0, Message{static_cast<MessageLevel>(i), ""});
        EXPECT_EQ(eventFromJson(eventToJson(event)), event);
    }
    for (int i = 0; i <= static_cast<int>(RunOutcome::Failed); ++i) {
        RunFinished finished;
        finished.outcome = static_cast<RunOutcome>(i);
        const Event event = madeEvent(i, 1.0, finished);
        EXPECT_EQ(eventFromJson(eventToJson(event)), event);
    }
}

TEST(EventJson, RandomDoublesAreExact)
{
    std::mt19937_64 random(1);
    for (int i = 0; i < 20000; ++i) {
        const std::uint64_t bits = random();
        StepDone step;
        std::memcpy(&step.loss, &bits, sizeof(bits));
        if (!std::isfinite(step.loss)) {
            continue;
        }
        const auto back = eventFromJson(eventToJson(madeEvent(i, 0.1 * i, step)));
        ASSERT_TRUE(back);
        EXPECT_EQ(std::get<StepDone>(back->body).loss, step.loss);
        EXPECT_EQ(back->header.time, 0.1 * i);
    }
}

TEST(EventJson, NonFiniteNumbersAreNullAndReadAsNan)
{
    for (const double value :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity()}) {
        StepDone step;
        step.loss = value;
        const std::string line = eventToJson(madeEvent(0, 1.0, step));
        EXPECT_NE(line.find("\"loss\":null"), std::string::npos) << line;
        EXPECT_TRUE(std::isnan(std::get<StepDone>(eventFromJson(line)->body).loss));
    }
}

TEST(EventJson, KeysAndWordsAreTheDocumentedOnes)
{
    const std::string line =
        eventToJson(madeEvent(7, 2.5, StateChanged{RunState::Stopping, "now"}));
    EXPECT_EQ(line, R"({"type":"state","run":"r","rank":0,"sequence":7,"time":2.5,)"
                    R"("state":"stopping","detail":"now"})");
    std::vector<std::string> types;
    for (const EventBody& body : bodiesOfEveryKind()) {
        const std::string text = eventToJson(madeEvent(0, 0.0, body));
        types.push_back(text.substr(9, text.find('"', 9) - 9));
    }
    EXPECT_EQ(types,
              (std::vector<std::string>{"run_started", "step", "held_out", "state", "checkpoint",
                                        "device", "device", "message", "run_finished"}));
}

TEST(EventJson, BytesThatAreNoUtf8BecomeReplacementCharacters)
{
    const std::string line = eventToJson(madeEvent(0, 0.0, Message{MessageLevel::Info, "a\xFFz"}));
    EXPECT_EQ(std::get<Message>(eventFromJson(line)->body).text, "a\xEF\xBF\xBDz");
}

TEST(EventJson, LinesThatAreNoEventsGiveNothing)
{
    const std::string good = eventToJson(madeEvent(7, 2.5, StateChanged{}));
    for (const std::string& line :
         {std::string(), std::string("\n"), std::string("{"), std::string("[]"),
          std::string("null"), std::string("garbage"), good.substr(0, good.size() / 2),
          std::string(R"({"type":"newer","sequence":1,"time":1})"),
          std::string(R"({"type":7,"sequence":1,"time":1})"),
          std::string(R"({"type":"step","time":1})"),
          std::string(R"({"type":"step","sequence":1})"),
          std::string(R"({"type":"step","sequence":1,"time":1,"step":"one"})"),
          std::string(R"({"type":"step","sequence":1,"time":1,"step":1.5})"),
          std::string(R"({"type":"step","sequence":18446744073709551615,"time":1})"),
          std::string(R"({"type":"step","sequence":1,"rank":4294967296,"time":1})"),
          std::string(R"({"type":"state","sequence":1,"time":1,"state":"sleeping"})"),
          std::string(R"({"type":"run_started","sequence":1,"time":1,"plan":[7]})"),
          std::string(100000, '[')}) {
        EXPECT_FALSE(eventFromJson(line)) << line.substr(0, 80);
    }
}

TEST(EventJson, UnknownKeysAreLeftAloneAndAbsentOnesKeepDefaults)
{
    const auto event =
        eventFromJson(R"({"type":"step","sequence":1,"time":1,"step":5,"new_in_2030":[1]})");
    ASSERT_TRUE(event);
    EXPECT_EQ(std::get<StepDone>(event->body).step, 5);
    EXPECT_EQ(std::get<StepDone>(event->body).loss, 0.0);
}

} // namespace
} // namespace longlora
