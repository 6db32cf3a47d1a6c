// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/events/event_sink.h"

#include <chrono>
#include <utility>

namespace longlora {

TeeSink::TeeSink(std::vector<EventSink*> sinks)
    : m_sinks(std::move(sinks))
{}

void TeeSink::post(const Event& event) noexcept
{
    for (EventSink* sink : m_sinks) {
        sink->post(event);
    }
}

EventWriter::EventWriter(EventSink& sink, std::string run, int rank, std::int64_t firstSequence)
    : m_sink(sink)
    , m_run(std::move(run))
    , m_rank(rank)
    , m_next(firstSequence)
{}

void EventWriter::write(EventBody body) noexcept
{
    try {
        const std::chrono::duration<double> now =
            std::chrono::system_clock::now().time_since_epoch();
        const Event event{{m_run, m_rank, m_next, now.count()}, std::move(body)};
        ++m_next;
        m_sink.post(event);
    } catch (...) {
        // No memory for a copy of the run's name: the event is lost, the run is not.
    }
}

} // namespace longlora
