// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/events/event_queue.h"

#include <algorithm>
#include <utility>

namespace longlora {

namespace {

/// Removes the oldest steps until `capacity` events are left, or no step is.
void dropOldestSteps(std::vector<Event>& events, std::size_t capacity)
{
    std::size_t surplus = events.size() > capacity ? events.size() - capacity : 0;
    std::erase_if(events, [&surplus](const Event& event) {
        const bool drop = surplus > 0 && std::holds_alternative<StepDone>(event.body);
        surplus -= drop ? 1 : 0;
        return drop;
    });
}

} // namespace

EventQueue::EventQueue(std::size_t capacity)
    : m_capacity(capacity)
    , m_dropAt(capacity + capacity / 4 + 1)
{}

void EventQueue::post(const Event& event) noexcept
{
    try {
        const std::lock_guard lock(m_mutex);
        // A quarter more than the capacity may wait, so that the cost of dropping is spread out.
        if (m_waiting.size() >= m_dropAt) {
            dropOldestSteps(m_waiting, m_capacity);
            m_dropAt = std::max(m_waiting.size(), m_capacity) + m_capacity / 4 + 1;
        }
        m_waiting.push_back(event);
    } catch (...) {
        // No memory: the reader misses an event, which the event file has.
    }
}

std::vector<Event> EventQueue::drain()
{
    std::vector<Event> events;
    {
        const std::lock_guard lock(m_mutex);
        events.swap(m_waiting);
        m_dropAt = m_capacity + m_capacity / 4 + 1;
    }
    dropOldestSteps(events, m_capacity);
    return events;
}

} // namespace longlora
