// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event_sink.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace longlora {

/// Appends one JSON line per event and flushes it, so that a reader and a crash lose nothing.
class EventFileSink : public EventSink {
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

/// Reads a growing event file from its start; a half-written last line waits for its rest. A file
/// that was replaced or cut is read from its start again.
class EventFileSource : public EventSource {
public:
    /// The file may not exist yet.
    explicit EventFileSource(std::filesystem::path file);
    /// At most about 2 MB (25 ms of work) per call, so that the window's thread stays fluent.
    std::vector<Event> drain() override;
    /// Whether everything now in the file has been drained.
    bool atEnd() const;
    /// Lines that were not events, or longer than 1 MB.
    std::int64_t skippedLines() const noexcept { return m_skipped; }

private:
    bool isSameFile(int descriptor, std::uint64_t inode, std::int64_t size) const;
    void startAnew(std::uint64_t inode);
    void consume(std::string_view block, std::vector<Event>& events);
    void takeLine(std::string_view line, std::vector<Event>& events);

    std::filesystem::path m_file;
    std::uint64_t m_inode = 0;
    std::int64_t m_offset = 0; ///< bytes read
    std::string m_tail;        ///< the last bytes before m_offset, to know the file by
    std::string m_partial;     ///< a line's beginning
    bool m_inLongLine = false; ///< what follows up to a line feed belongs to a skipped line
    std::int64_t m_skipped = 0;
};

} // namespace longlora
