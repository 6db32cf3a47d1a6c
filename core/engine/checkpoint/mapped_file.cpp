// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/mapped_file.h"

#include "core/spec/base/error.h"
#include "core/spec/base/file_errors.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace longlora {

MappedFile::MappedFile(const std::filesystem::path& file)
    : m_path(file)
    // Non-blocking, so that a FIFO is refused instead of waited for.
    , m_descriptor(FileDescriptor::open(file, O_RDONLY | O_NONBLOCK))
{
    if (m_descriptor.get() < 0) {
        throwCannotRead(file, errno);
    }
    m_size = regularFileSize(m_descriptor.get(), file);
    if (m_size == 0) {
        return;
    }
    void* const mapped = ::mmap(nullptr, m_size, PROT_READ, MAP_PRIVATE, m_descriptor.get(), 0);
    if (mapped == MAP_FAILED) {
        throwCannotRead(file, errno);
    }
    m_data = static_cast<std::byte*>(mapped);
}

MappedFile::~MappedFile()
{
    if (m_data != nullptr) {
        ::munmap(m_data, m_size);
    }
}

std::string MappedFile::readAt(std::uint64_t offset, std::uint64_t count) const
{
    std::string bytes(count, '\0');
    std::uint64_t done = 0;
    while (done < count) {
        const ssize_t got = ::pread(m_descriptor.get(), bytes.data() + done, count - done,
                                    static_cast<off_t>(offset + done));
        if (got < 0 && errno != EINTR) {
            throwCannotRead(m_path, errno);
        }
        if (got == 0) {
            throw FormatError(m_path.string(), fmt::format("offset {}", offset + done),
                              "the file ends here, where more should follow");
        }
        done += static_cast<std::uint64_t>(std::max<ssize_t>(got, 0));
    }
    return bytes;
}

void MappedFile::requireUnshrunk(const std::string& what) const
{
    if (const std::uint64_t now = regularFileSize(m_descriptor.get(), m_path); now < m_size) {
        throw FormatError(
            m_path.string(), what,
            fmt::format("the file shrank from {} to {} bytes while it was in use", m_size, now));
    }
}

void MappedFile::requireBooleans(std::uint64_t offset, std::uint64_t count,
                                 const std::string& what) const
{
    const std::byte* const begin = m_data + offset;
    if (std::any_of(begin, begin + count, [](std::byte value) { return value > std::byte{1}; })) {
        throw FormatError(m_path.string(), what, "a BOOL that is neither 0 nor 1");
    }
}

void MappedFile::dropPages(std::uint64_t offset, std::uint64_t count) const noexcept
{
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::uint64_t first = (offset + page - 1) / page * page;
    const std::uint64_t last = (offset + count) / page * page;
    if (first < last) {
        ::madvise(m_data + first, last - first, MADV_DONTNEED);
    }
}

void MappedFile::readAhead(std::uint64_t offset, std::uint64_t count) const noexcept
{
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::uint64_t first = offset / page * page;
    const std::uint64_t last = std::min(offset + count, m_size);
    if (first < last) {
        ::madvise(m_data + first, last - first, MADV_WILLNEED);
    }
}

} // namespace longlora
