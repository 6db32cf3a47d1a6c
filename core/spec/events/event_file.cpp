// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/events/event_file.h"

#include "core/spec/base/error.h"
#include "core/spec/events/event_json.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace longlora {

namespace {

constexpr std::int64_t kDrainBytes = std::int64_t{2} << 20;
constexpr std::size_t kBlockBytes = std::size_t{256} << 10;
constexpr std::size_t kLineBytes = std::size_t{1} << 20;
constexpr std::size_t kTailBytes =
    1024; // more than a step's line: sequence and time tell files apart

class Descriptor {
public:
    explicit Descriptor(const std::filesystem::path& file)
        : m_value(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK))
    {}
    ~Descriptor()
    {
        if (m_value >= 0) {
            ::close(m_value);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return m_value; }

private:
    int m_value;
};

/// As much of [offset, offset + size) as the file has.
std::string readAt(int descriptor, std::int64_t offset, std::size_t size)
{
    std::string block(size, '\0');
    std::size_t got = 0;
    while (got < size) {
        const ssize_t count = ::pread(descriptor, block.data() + got, size - got,
                                      offset + static_cast<std::int64_t>(got));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            break;
        }
        got += static_cast<std::size_t>(count);
    }
    block.resize(got);
    return block;
}

bool writeAll(int descriptor, std::string_view bytes) noexcept
{
    while (!bytes.empty()) {
        const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
        if (count < 0 && errno != EINTR) {
            return false;
        }
        bytes.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
    }
    return true;
}

} // namespace

EventFileSink::EventFileSink(const std::filesystem::path& file)
    : m_descriptor(::open(file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666))
{
    if (m_descriptor < 0) {
        throw DataError("Cannot write the event file " + file.string() + ": " +
                            std::system_category().message(errno),
                        "Check that the run's folder is writable.");
    }
    // A writer that died in the middle of a line must not spoil the first line of this one.
    const off_t size = ::lseek(m_descriptor, 0, SEEK_END);
    if (size > 0 && readAt(m_descriptor, size - 1, 1) != "\n") {
        m_failed = !writeAll(m_descriptor, "\n");
    }
}

EventFileSink::~EventFileSink()
{
    ::close(m_descriptor);
}

void EventFileSink::post(const Event& event) noexcept
{
    try {
        // One write per line: lines of several writers never mix, readers see whole lines.
        m_failed = !writeAll(m_descriptor, eventToJson(event) + '\n') || m_failed;
    } catch (...) {
        m_failed = true;
    }
}

EventFileSource::EventFileSource(std::filesystem::path file)
    : m_file(std::move(file))
{}

std::vector<Event> EventFileSource::drain()
{
    std::vector<Event> events;
    const Descriptor descriptor(m_file);
    struct stat status = {};
    if (descriptor.get() < 0 || ::fstat(descriptor.get(), &status) != 0 ||
        !S_ISREG(status.st_mode)) {
        return events;
    }
    if (!isSameFile(descriptor.get(), status.st_ino, status.st_size)) {
        startAnew(status.st_ino);
    }
    for (std::int64_t read = 0; read < kDrainBytes;) {
        const std::string block = readAt(descriptor.get(), m_offset, kBlockBytes);
        if (block.empty()) {
            break;
        }
        consume(block, events);
        read += static_cast<std::int64_t>(block.size());
        m_offset += static_cast<std::int64_t>(block.size());
        m_tail = (m_tail + block)
                     .substr(std::max(m_tail.size() + block.size(), kTailBytes) - kTailBytes);
    }
    return events;
}

bool EventFileSource::atEnd() const
{
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(m_file, error);
    return error || static_cast<std::int64_t>(size) == m_offset;
}

bool EventFileSource::isSameFile(int descriptor, std::uint64_t inode, std::int64_t size) const
{
    const auto tail = static_cast<std::int64_t>(m_tail.size());
    return inode == m_inode && size >= m_offset &&
           readAt(descriptor, m_offset - tail, m_tail.size()) == m_tail;
}

void EventFileSource::startAnew(std::uint64_t inode)
{
    m_inode = inode;
    m_offset = 0;
    m_tail.clear();
    m_partial.clear();
    m_inLongLine = false;
    m_skipped = 0;
}

void EventFileSource::consume(std::string_view block, std::vector<Event>& events)
{
    while (!block.empty()) {
        const std::size_t end = block.find('\n');
        const std::string_view part = block.substr(0, end);
        if (!m_inLongLine && m_partial.size() + part.size() > kLineBytes) {
            m_inLongLine = true;
            m_partial.clear();
            ++m_skipped;
        }
        if (!m_inLongLine) {
            m_partial.append(part);
        }
        if (end == std::string_view::npos) {
            return;
        }
        if (!m_inLongLine) {
            takeLine(m_partial, events);
        }
        m_partial.clear();
        m_inLongLine = false;
        block.remove_prefix(end + 1);
    }
}

void EventFileSource::takeLine(std::string_view line, std::vector<Event>& events)
{
    if (line.empty()) {
        return;
    }
    if (std::optional<Event> event = eventFromJson(line)) {
        events.push_back(std::move(*event));
    } else {
        ++m_skipped;
    }
}

} // namespace longlora
