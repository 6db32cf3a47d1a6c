// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/safetensors_map.h"

#include "core/spec/base/error.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace longlora {

namespace {

constexpr std::uint64_t kLengthBytes = 8;

[[noreturn]] void throwCannotRead(const std::filesystem::path& file, int code)
{
    throw DataError("Cannot read " + file.string() + ": " + std::system_category().message(code),
                    code == ENOENT ? "Check the path." : "Check the file's rights.");
}

std::uint64_t sizeOf(const FileDescriptor& descriptor, const std::filesystem::path& file)
{
    struct stat status = {};
    if (::fstat(descriptor.get(), &status) != 0) {
        throwCannotRead(file, errno);
    }
    if (!S_ISREG(status.st_mode)) {
        throw FormatError(file.string(), {}, "is not a regular file");
    }
    return static_cast<std::uint64_t>(status.st_size);
}

/// Read, not mapped: a file that shrinks meanwhile is an error here, not a signal.
std::string readAt(const FileDescriptor& descriptor, const std::filesystem::path& file,
                   std::uint64_t offset, std::uint64_t count)
{
    std::string bytes(count, '\0');
    std::uint64_t done = 0;
    while (done < count) {
        const ssize_t got = ::pread(descriptor.get(), bytes.data() + done, count - done,
                                    static_cast<off_t>(offset + done));
        if (got < 0 && errno != EINTR) {
            throwCannotRead(file, errno);
        }
        if (got == 0) {
            throw FormatError(file.string(), fmt::format("offset {}", offset + done),
                              "the file ends here, inside its header");
        }
        done += static_cast<std::uint64_t>(std::max<ssize_t>(got, 0));
    }
    return bytes;
}

std::uint64_t littleEndian(const std::string& bytes)
{
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
        value = value << 8 | static_cast<unsigned char>(bytes[i]);
    }
    return value;
}

/// Bytes other than 0 and 1 in a bool tensor would be undefined behaviour for whoever reads them.
void requireBooleans(const std::byte* begin, std::uint64_t count, const std::string& file,
                     const std::string& name)
{
    const auto* const wrong =
        std::find_if(begin, begin + count, [](std::byte value) { return value > std::byte{1}; });
    if (wrong != begin + count) {
        throw FormatError(file, "tensor " + name, "a BOOL that is neither 0 nor 1");
    }
}

/// Throws: FormatError if the file cannot hold the header that its first 8 bytes announce.
std::uint64_t headerBytesOf(const FileDescriptor& descriptor, const std::filesystem::path& file,
                            std::uint64_t fileBytes)
{
    const std::string name = file.string();
    if (fileBytes < kLengthBytes) {
        throw FormatError(name, fmt::format("offset {}", fileBytes),
                          "the file ends inside the 8 bytes of its header's length");
    }
    const std::uint64_t headerBytes = littleEndian(readAt(descriptor, file, 0, kLengthBytes));
    if (headerBytes > kMaxSafetensorsHeaderBytes) {
        throw FormatError(name, "offset 0",
                          fmt::format("a header of {} bytes is above the limit of {}; this is no "
                                      "safetensors file",
                                      headerBytes, kMaxSafetensorsHeaderBytes));
    }
    if (headerBytes > fileBytes - kLengthBytes) {
        throw FormatError(name, "offset 0",
                          fmt::format("the header should have {} bytes, but only {} follow; the "
                                      "file is truncated",
                                      headerBytes, fileBytes - kLengthBytes));
    }
    return headerBytes;
}

} // namespace

SafetensorsMap::SafetensorsMap(const std::filesystem::path& file)
    : m_path(file)
    // Non-blocking, so that a FIFO is refused instead of waited for.
    , m_descriptor(FileDescriptor::open(file, O_RDONLY | O_NONBLOCK))
{
    if (m_descriptor.get() < 0) {
        throwCannotRead(file, errno);
    }
    m_bytes = sizeOf(m_descriptor, file);
    const std::uint64_t headerBytes = headerBytesOf(m_descriptor, file, m_bytes);
    const SafetensorsExtent extent{kLengthBytes + headerBytes,
                                   m_bytes - kLengthBytes - headerBytes};
    m_header = parseSafetensorsHeader(readAt(m_descriptor, file, kLengthBytes, headerBytes),
                                      file.string(), extent);
    void* const mapped = ::mmap(nullptr, m_bytes, PROT_READ, MAP_PRIVATE, m_descriptor.get(), 0);
    if (mapped == MAP_FAILED) {
        throwCannotRead(file, errno);
    }
    m_data = static_cast<std::byte*>(mapped);
}

SafetensorsMap::~SafetensorsMap()
{
    if (m_data != nullptr) {
        ::munmap(m_data, m_bytes);
    }
}

const StoredTensor& SafetensorsMap::entry(const std::string& name) const
{
    const auto found = m_header.entries.find(name);
    if (found == m_header.entries.end()) {
        throw FormatError(m_path.string(), {}, "there is no tensor " + name);
    }
    return found->second;
}

std::byte* SafetensorsMap::dataOf(const std::string& name) const
{
    const StoredTensor& tensor = entry(name);
    if (const std::uint64_t now = sizeOf(m_descriptor, m_path); now < m_bytes) {
        throw FormatError(
            m_path.string(), "tensor " + name,
            fmt::format("the file shrank from {} to {} bytes while it was in use", m_bytes, now));
    }
    std::byte* const begin = m_data + tensor.offset;
    if (tensor.dtype == StoredDtype::Bool) {
        requireBooleans(begin, tensor.bytes, m_path.string(), name);
    }
    return begin;
}

} // namespace longlora
