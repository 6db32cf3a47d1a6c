// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "tests/fuzz/fuzz_target.h"

#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace longlora::fuzz {

/// A file without a disk, for readers that want a path. One for all inputs of a target.
class MemoryFile {
public:
    MemoryFile()
        : m_descriptor(::memfd_create(kFile, MFD_CLOEXEC))
        , m_path(kMemoryFolder + std::to_string(m_descriptor))
    {
        require(m_descriptor >= 0, "there are files in memory");
    }
    ~MemoryFile() { ::close(m_descriptor); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    void hold(std::string_view bytes) const
    {
        const bool isWritten =
            ::ftruncate(m_descriptor, 0) == 0 &&
            ::pwrite(m_descriptor, bytes.data(), bytes.size(), 0) == std::ssize(bytes);
        require(isWritten, "a file in memory takes the input");
    }
    const std::filesystem::path& path() const { return m_path; }

private:
    int m_descriptor;
    std::filesystem::path m_path;
};

} // namespace longlora::fuzz
