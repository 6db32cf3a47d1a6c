// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/byte_source.h"

#include "core/spec/base/error.h"
#include "core/spec/base/file_errors.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace longlora {

void MemorySource::read(std::uint64_t offset, std::span<char> bytes) const
{
    std::copy_n(m_bytes.data() + offset, bytes.size(), bytes.data());
}

FileSource::FileSource(const std::filesystem::path& file)
    : m_file(file)
    // Non-blocking, so that a FIFO is refused instead of waited for.
    , m_descriptor(FileDescriptor::open(file, O_RDONLY | O_NONBLOCK))
{
    if (m_descriptor.get() < 0) {
        throwCannotRead(file, errno);
    }
    m_size = regularFileSize(m_descriptor.get(), file);
}

void FileSource::read(std::uint64_t offset, std::span<char> bytes) const
{
    while (!bytes.empty()) {
        const ssize_t got =
            ::pread(m_descriptor.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (got < 0 && errno != EINTR) {
            throwCannotRead(m_file, errno);
        }
        if (got == 0) {
            throw FormatError(m_file.string(), fmt::format("offset {}", offset),
                              "the file shrank while it was read");
        }
        const auto count = static_cast<std::size_t>(std::max<ssize_t>(got, 0));
        bytes = bytes.subspan(count);
        offset += count;
    }
}

void FileSource::requireWhole() const
{
    if (const std::uint64_t now = regularFileSize(m_descriptor.get(), m_file); now < m_size) {
        throw FormatError(
            m_file.string(), fmt::format("offset {}", now),
            fmt::format("the file shrank from {} to {} bytes while it was in use", m_size, now));
    }
}

} // namespace longlora
