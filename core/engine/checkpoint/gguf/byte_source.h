// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/file_descriptor.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace longlora {

/// The bytes of a file, wherever they are.
class ByteSource {
public:
    virtual ~ByteSource() = default;
    virtual std::uint64_t size() const = 0;
    /// Fills `bytes` from `offset` on; all of it lies inside size().
    /// Throws: DataError, or FormatError if the file shrank meanwhile.
    virtual void read(std::uint64_t offset, std::span<char> bytes) const = 0;
};

/// Bytes in memory, which outlive this.
class MemorySource : public ByteSource {
public:
    explicit MemorySource(std::string_view bytes)
        : m_bytes(bytes)
    {}
    std::uint64_t size() const override { return m_bytes.size(); }
    void read(std::uint64_t offset, std::span<char> bytes) const override;

private:
    std::string_view m_bytes;
};

/// A regular file, read and not mapped: should it shrink, that is an error and not a signal.
class FileSource : public ByteSource {
public:
    /// Throws: DataError if it cannot be opened; FormatError if it is no regular file.
    explicit FileSource(const std::filesystem::path& file);
    std::uint64_t size() const override { return m_size; }
    void read(std::uint64_t offset, std::span<char> bytes) const override;

    const FileDescriptor& descriptor() const noexcept { return m_descriptor; }
    /// Throws: FormatError if the file is shorter now than when it was opened.
    void requireWhole() const;

private:
    std::filesystem::path m_file;
    FileDescriptor m_descriptor;
    std::uint64_t m_size = 0;
};

} // namespace longlora
