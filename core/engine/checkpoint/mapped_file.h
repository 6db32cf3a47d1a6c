// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/file_descriptor.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace longlora {

/// A regular file, opened and mapped read-only. No LibTorch.
class MappedFile {
public:
    /// Throws: DataError if it cannot be read; FormatError if it is a FIFO, folder or device.
    explicit MappedFile(const std::filesystem::path& file);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    const std::filesystem::path& path() const noexcept { return m_path; }
    std::uint64_t size() const noexcept { return m_size; }
    /// nullptr if the file is empty.
    std::byte* data() const noexcept { return m_data; }

    /// Read, not mapped: a file that shrinks meanwhile is an error here, not a signal. The range
    /// lies inside size(). Throws: FormatError, DataError.
    std::string readAt(std::uint64_t offset, std::uint64_t count) const;
    /// Throws: FormatError naming `what` if the file has become shorter since it was opened.
    void requireUnshrunk(const std::string& what) const;
    /// Throws: FormatError naming `what` for a byte that is neither 0 nor 1: as a bool it would be
    /// undefined behaviour for whoever reads it.
    void requireBooleans(std::uint64_t offset, std::uint64_t count, const std::string& what) const;
    /// Lets go of the whole pages inside: a model that was copied tensor by tensor does not count
    /// twice. They come back from the file if somebody else still looks at them.
    void dropPages(std::uint64_t offset, std::uint64_t count) const noexcept;
    /// Asks the kernel to read these bytes meanwhile: the disk works while what was read before is
    /// computed with.
    void readAhead(std::uint64_t offset, std::uint64_t count) const noexcept;

private:
    std::filesystem::path m_path;
    FileDescriptor m_descriptor;
    std::uint64_t m_size = 0;
    std::byte* m_data = nullptr;
};

} // namespace longlora
