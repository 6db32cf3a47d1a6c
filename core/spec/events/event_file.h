// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event_sink.h"

#include <cstdio>
#include <filesystem>
#include <string>

namespace longlora {

/// Appends one JSON line per event and flushes it, so that a reader and a crash lose nothing.
class EventFileSink : public EventSink
{
public:
    /// Throws: DataError if the file cannot be opened for appending.
    explicit EventFileSink(const std::filesystem::path& file);
    ~EventFileSink() override;
    EventFileSink(const EventFileSink&) = delete;
    EventFileSink& operator=(const EventFileSink&) = delete;

    void post(const Event& event) noexcept override;
    /// Whether a write failed (disk full): the run goes on, the reader should know.
    bool failed() const noexcept { return m_failed; }

private:
    int m_descriptor = -1;
    bool m_failed = false;
};

/// Reads a growing event file from its start; a half-written last line waits for its rest.
class EventFileSource : public EventSource
{
public:
    /// The file may not exist yet.
    explicit EventFileSource(std::filesystem::path file);
    /// At most about 8 MB per call, so that a reader on the window's thread stays fluent.
    std::vector<Event> drain() override;
    /// Whether everything now in the file has been drained.
    bool atEnd() const;
    /// Lines that were not events.
    std::int64_t skippedLines() const noexcept { return m_skipped; }

private:
    std::filesystem::path m_file;
    std::int64_t m_offset = 0;
    std::string m_partial;
    std::int64_t m_skipped = 0;
};

} // namespace longlora
