// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/safetensors.h"

#include "core/engine/checkpoint/file_descriptor.h"
#include "core/engine/checkpoint/safetensors_header.h"
#include "core/spec/base/error.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/ScalarType.h>

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
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

/// Lets go of the whole pages inside [begin, end): a model that was copied tensor by tensor does
/// not count twice. They come back from the file if somebody else still looks at them.
void dropPages(std::byte* begin, std::byte* end)
{
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const std::uintptr_t first = (reinterpret_cast<std::uintptr_t>(begin) + page - 1) / page * page;
    const std::uintptr_t last = reinterpret_cast<std::uintptr_t>(end) / page * page;
    if (first < last) {
        ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
    }
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

} // namespace

struct SafetensorsFile::Map {
    FileDescriptor descriptor;
    std::byte* data = nullptr;
    std::uint64_t bytes = 0;

    ~Map()
    {
        if (data != nullptr) {
            ::munmap(data, bytes);
        }
    }
};

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& file)
{
    SafetensorsFile result;
    result.m_path = file;
    result.m_map = std::make_shared<Map>();
    Map& map = *result.m_map;
    // Non-blocking, so that a FIFO is refused instead of waited for.
    map.descriptor = FileDescriptor::open(file, O_RDONLY | O_NONBLOCK);
    if (map.descriptor.get() < 0) {
        throwCannotRead(file, errno);
    }
    const std::string name = file.string();
    map.bytes = sizeOf(map.descriptor, file);
    if (map.bytes < kLengthBytes) {
        throw FormatError(name, fmt::format("offset {}", map.bytes),
                          "the file ends inside the 8 bytes of its header's length");
    }
    const std::uint64_t headerBytes = littleEndian(readAt(map.descriptor, file, 0, kLengthBytes));
    if (headerBytes > kMaxSafetensorsHeaderBytes) {
        throw FormatError(name, "offset 0",
                          fmt::format("a header of {} bytes is above the limit of {}; this is no "
                                      "safetensors file",
                                      headerBytes, kMaxSafetensorsHeaderBytes));
    }
    if (headerBytes > map.bytes - kLengthBytes) {
        throw FormatError(name, "offset 0",
                          fmt::format("the header should have {} bytes, but only {} follow; the "
                                      "file is truncated",
                                      headerBytes, map.bytes - kLengthBytes));
    }
    const SafetensorsExtent extent{kLengthBytes + headerBytes,
                                   map.bytes - kLengthBytes - headerBytes};
    SafetensorsHeader header = parseSafetensorsHeader(
        readAt(map.descriptor, file, kLengthBytes, headerBytes), name, extent);
    result.m_entries = std::move(header.entries);
    result.m_metadata = std::move(header.metadata);

    void* const mapped =
        ::mmap(nullptr, map.bytes, PROT_READ, MAP_PRIVATE, map.descriptor.get(), 0);
    if (mapped == MAP_FAILED) {
        throwCannotRead(file, errno);
    }
    map.data = static_cast<std::byte*>(mapped);
    return result;
}

at::Tensor SafetensorsFile::tensor(const std::string& name) const
{
    const auto found = m_entries.find(name);
    if (found == m_entries.end()) {
        throw FormatError(m_path.string(), {}, "there is no tensor " + name);
    }
    const Entry& entry = found->second;
    if (const std::uint64_t now = sizeOf(m_map->descriptor, m_path); now < m_map->bytes) {
        throw FormatError(m_path.string(), "tensor " + name,
                          fmt::format("the file shrank from {} to {} bytes while it was in use",
                                      m_map->bytes, now));
    }
    const at::TensorOptions options = at::TensorOptions().dtype(entry.dtype);
    if (entry.bytes == 0) {
        return at::empty(entry.sizes, options);
    }
    std::byte* const begin = m_map->data + entry.offset;
    if (entry.dtype == at::kBool) {
        requireBooleans(begin, entry.bytes, m_path.string(), name);
    }
    if (reinterpret_cast<std::uintptr_t>(begin) % c10::elementSize(entry.dtype) != 0) {
        at::Tensor copy = at::empty(entry.sizes, options);
        std::memcpy(copy.data_ptr(), begin, entry.bytes);
        return copy;
    }
    const auto release = [map = m_map, begin, bytes = entry.bytes](void*) {
        dropPages(begin, begin + bytes);
    };
    return at::from_blob(begin, entry.sizes, release, options);
}

} // namespace longlora
