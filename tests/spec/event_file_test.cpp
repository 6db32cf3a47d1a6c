// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/events/event_file.h"
#include "core/spec/events/event_json.h"
#include "core/spec/events/event_queue.h"
#include "tests/spec/made_event.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>

#include <fstream>

namespace longlora {
namespace {

using test::madeEvent;

using test::TemporaryFolder;

Event stepEvent(std::int64_t sequence)
{
    StepDone step;
    step.step = sequence + 1;
    step.loss = 1.0 / static_cast<double>(sequence + 1);
    return madeEvent(sequence, 1.5, step);
}

void append(const std::filesystem::path& file, std::string_view bytes)
{
    std::ofstream(file, std::ios::binary | std::ios::app) << bytes;
}

std::vector<Event> drainAll(EventFileSource& source)
{
    std::vector<Event> events;
    do {
        const std::vector<Event> some = source.drain();
        events.insert(events.end(), some.begin(), some.end());
    } while (!source.atEnd());
    return events;
}

TEST(EventFile, WhatIsPostedIsDrained)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "events.jsonl";
    EventFileSource source(file);
    EXPECT_TRUE(source.drain().empty()); // not there yet
    EventFileSink sink(file);
    std::vector<Event> posted;
    for (std::int64_t i = 0; i < 100; ++i) {
        posted.push_back(stepEvent(i));
        sink.post(posted.back());
        if (i == 40) {
            EXPECT_EQ(source.drain(), posted);
            EXPECT_TRUE(source.drain().empty());
        }
    }
    EXPECT_FALSE(source.atEnd());
    EXPECT_EQ(source.drain(), std::vector<Event>(posted.begin() + 41, posted.end()));
    EXPECT_TRUE(source.atEnd());
    EXPECT_FALSE(sink.failed());
    EXPECT_EQ(source.skippedLines(), 0);
}

TEST(EventFile, QueueAndFileGiveTheSameEvents)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "events.jsonl";
    EventFileSink sink(file);
    EventQueue queue;
    TeeSink tee({&queue, &sink});
    EventWriter writer(tee, "a run");
    writer.write(RunStarted{});
    for (int step = 1; step <= 50; ++step) {
        StepDone done;
        done.step = step;
        done.loss = 10.0 / step;
        writer.write(done);
    }
    writer.write(RunFinished{});
    const std::vector<Event> live = queue.drain();
    EXPECT_EQ(live.size(), 52U);
    EventFileSource source(file);
    EXPECT_EQ(source.drain(), live);
}

TEST(EventFile, AHalfWrittenLineWaitsForItsRest)
{
    const TemporaryFolder folder;
    const std::string line = eventToJson(stepEvent(0));
    const auto file = folder.write("e", line.substr(0, 20));
    EventFileSource source(file);
    EXPECT_TRUE(source.drain().empty());
    append(file, line.substr(20));
    EXPECT_TRUE(source.drain().empty());
    append(file, "\n");
    EXPECT_EQ(source.drain(), std::vector<Event>{stepEvent(0)});
    EXPECT_EQ(source.skippedLines(), 0);
}

TEST(EventFile, AWriterThatDiedWithinALineDoesNotSpoilTheNextOne)
{
    const TemporaryFolder folder;
    const auto file = folder.write("e", eventToJson(stepEvent(0)) + "\n{\"type\":\"st");
    EventFileSink(file).post(stepEvent(1));
    EventFileSource source(file);
    EXPECT_EQ(source.drain(), (std::vector<Event>{stepEvent(0), stepEvent(1)}));
    EXPECT_EQ(source.skippedLines(), 1);
}

TEST(EventFile, GarbageAndHugeLinesAreSkippedAndCounted)
{
    const TemporaryFolder folder;
    const std::string good = eventToJson(stepEvent(0)) + "\n";
    const std::string huge(3 << 20, 'x');
    const auto file = folder.write("e", "garbage\n\n" + good + huge + "\n" + good +
                                            std::string("\0\xFF\n", 3) + good);
    EventFileSource source(file);
    EXPECT_EQ(drainAll(source).size(), 3U);
    EXPECT_EQ(source.skippedLines(), 3);
}

TEST(EventFile, AHugeLineThatGrowsIsNotKept)
{
    const TemporaryFolder folder;
    const auto file = folder.write("e", std::string(2 << 20, 'x'));
    EventFileSource source(file);
    EXPECT_TRUE(drainAll(source).empty());
    append(file, std::string(2 << 20, 'y') + "\n" + eventToJson(stepEvent(3)) + "\n");
    EXPECT_EQ(drainAll(source), std::vector<Event>{stepEvent(3)});
    EXPECT_EQ(source.skippedLines(), 1);
}

TEST(EventFile, ADrainIsBoundedAndTheRestFollows)
{
    const TemporaryFolder folder;
    const std::string line = eventToJson(stepEvent(0)) + "\n";
    std::string content;
    while (content.size() < (8U << 20)) {
        content += line;
    }
    EventFileSource source(folder.write("e", content));
    const std::vector<Event> first = source.drain();
    EXPECT_LT(first.size() * line.size(), 3U << 20);
    EXPECT_FALSE(source.atEnd());
    EXPECT_EQ(first.size() + drainAll(source).size(), content.size() / line.size());
}

TEST(EventFile, AReplacedOrCutFileIsReadFromItsStart)
{
    const TemporaryFolder folder;
    const std::string two = eventToJson(stepEvent(1)) + "\n" + eventToJson(stepEvent(2)) + "\n";
    const auto file = folder.write("e", two);
    EventFileSource source(file);
    EXPECT_EQ(source.drain().size(), 2U);

    folder.write("e", eventToJson(stepEvent(7)) + "\n"); // shorter
    EXPECT_EQ(source.drain(), std::vector<Event>{stepEvent(7)});

    folder.write("new", two + two);
    std::filesystem::rename(folder.path() / "new", file); // another file
    EXPECT_EQ(source.drain().size(), 4U);

    folder.write("e", eventToJson(stepEvent(8)) + "\n" + two + two); // same file, longer, other
    EXPECT_EQ(source.drain().size(), 5U);
}

TEST(EventFile, ASinkThatCannotBeOpenedSaysWhere)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "absent" / "e";
    const std::string message = test::messageOf<DataError>([&] { EventFileSink sink(file); });
    EXPECT_NE(message.find(file.string()), std::string::npos) << message;
}

TEST(EventFile, AFullDiskIsRememberedAndDoesNotThrow)
{
    if (!std::filesystem::exists("/dev/full")) {
        GTEST_SKIP() << "no /dev/full on this system";
    }
    EventFileSink sink("/dev/full");
    sink.post(stepEvent(0));
    EXPECT_TRUE(sink.failed());
}

} // namespace
} // namespace longlora
