// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event_sink.h"

#include <mutex>

namespace longlora {

/// Hands events from the working thread to the window's thread. Bounded: beyond `capacity` the
/// oldest StepDone events are dropped (the event file keeps all), never any other kind.
class EventQueue : public EventSink, public EventSource {
public:
    explicit EventQueue(std::size_t capacity = 100000);
    void post(const Event& event) noexcept override;
    std::vector<Event> drain() override;

private:
    std::mutex m_mutex;
    std::vector<Event> m_waiting;
    std::size_t m_capacity;
    std::size_t m_dropAt; ///< events waiting at which the surplus is removed
};

} // namespace longlora
