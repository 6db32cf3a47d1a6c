// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/events/event_queue.h"
#include "tests/spec/made_event.h"

#include <gtest/gtest.h>

#include <thread>

namespace longlora {
namespace {

using test::madeEvent;

Event stepEvent(std::int64_t sequence)
{
    StepDone step;
    step.step = sequence + 1;
    return madeEvent(sequence, 1.0, step);
}

TEST(EventQueue, DrainGivesEventsInOrderOnce)
{
    EventQueue queue;
    queue.post(stepEvent(0));
    queue.post(madeEvent(1, 1.0, Message{MessageLevel::Info, "x"}));
    const std::vector<Event> events = queue.drain();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].header.sequence, 0);
    EXPECT_EQ(events[1].header.sequence, 1);
    EXPECT_TRUE(queue.drain().empty());
}

TEST(EventQueue, BeyondItsCapacityItDropsTheOldestSteps)
{
    EventQueue queue(100);
    for (std::int64_t i = 0; i < 1000; ++i) {
        queue.post(stepEvent(i));
    }
    const std::vector<Event> events = queue.drain();
    ASSERT_EQ(events.size(), 100U);
    for (std::size_t i = 0; i < events.size(); ++i) {
        EXPECT_EQ(events[i].header.sequence, 900 + static_cast<std::int64_t>(i));
    }
}

TEST(EventQueue, NeverDropsAnyOtherKind)
{
    EventQueue queue(10);
    for (std::int64_t i = 0; i < 500; ++i) {
        queue.post(madeEvent(2 * i, 1.0, HeldOutMeasured{i, 1.0, 1, 1.0}));
        queue.post(stepEvent(2 * i + 1));
    }
    const std::vector<Event> events = queue.drain();
    ASSERT_EQ(events.size(), 500U); // more than the capacity, and not one of them a step
    for (const Event& event : events) {
        EXPECT_TRUE(std::holds_alternative<HeldOutMeasured>(event.body));
    }
}

TEST(EventQueue, AReaderInAnotherThreadMissesNothing)
{
    EventQueue queue(1000000);
    constexpr std::int64_t kCount = 50000;
    std::thread writer([&queue] {
        EventWriter events(queue, "r");
        for (std::int64_t i = 0; i < kCount; ++i) {
            events.write(StepDone{});
        }
    });
    std::int64_t expected = 0;
    while (expected < kCount) {
        for (const Event& event : queue.drain()) {
            ASSERT_EQ(event.header.sequence, expected++);
        }
    }
    writer.join();
    EXPECT_TRUE(queue.drain().empty());
}

TEST(EventWriter, NumbersAndStampsEventsForEverySink)
{
    EventQueue one;
    EventQueue two;
    TeeSink tee({&one, &two});
    EventWriter writer(tee, "my run", 2, 40);
    writer.write(Message{MessageLevel::Error, "a"});
    writer.write(Message{MessageLevel::Error, "b"});
    const std::vector<Event> events = one.drain();
    EXPECT_EQ(events, two.drain());
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[1].header.run, "my run");
    EXPECT_EQ(events[1].header.rank, 2);
    EXPECT_EQ(events[0].header.sequence, 40);
    EXPECT_EQ(events[1].header.sequence, 41);
    EXPECT_GT(events[0].header.time, 1.7e9); // seconds since 1970
    EXPECT_LE(events[0].header.time, events[1].header.time);
}

} // namespace
} // namespace longlora
