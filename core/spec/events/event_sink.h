// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event.h"

#include <vector>

namespace longlora {

/// Where a run says what happens. Threading: post() may be called from any one thread at a time.
class EventSink {
public:
    virtual ~EventSink() = default;
    /// Never throws, never waits for a reader. Fills in nothing: the header comes complete.
    virtual void post(const Event& event) noexcept = 0;
};

/// Where a reader takes events from. Threading: one reading thread.
class EventSource {
public:
    virtual ~EventSource() = default;
    /// Everything that arrived since the last call, in order. Never blocks for new events.
    virtual std::vector<Event> drain() = 0;
};

/// Passes each event to every sink in turn. Does not own them.
class TeeSink : public EventSink {
public:
    explicit TeeSink(std::vector<EventSink*> sinks);
    void post(const Event& event) noexcept override;

private:
    std::vector<EventSink*> m_sinks;
};

/// Numbers and stamps event bodies for one rank of one run.
class EventWriter {
public:
    /// `sink` outlives this.
    EventWriter(EventSink& sink, std::string run, int rank = 0, std::int64_t firstSequence = 0);
    void write(EventBody body) noexcept;

private:
    EventSink& m_sink;
    std::string m_run;
    int m_rank;
    std::int64_t m_next;
};

} // namespace longlora
