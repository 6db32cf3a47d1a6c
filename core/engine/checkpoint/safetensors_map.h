// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/mapped_file.h"
#include "core/engine/checkpoint/safetensors_header.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace longlora {

/// A safetensors file opened, checked and mapped into memory, without LibTorch: where the bytes of
/// each tensor lie. Nothing but the header is read before it is touched.
class SafetensorsMap {
public:
    /// Throws: FormatError, DataError as SafetensorsFile::open.
    explicit SafetensorsMap(const std::filesystem::path& file);

    const std::filesystem::path& path() const noexcept { return m_file.path(); }
    const SafetensorsHeader& header() const noexcept { return m_header; }
    /// First byte of a tensor with at least one number; read-only. Throws: FormatError if there is
    /// no such tensor, the file shrank since it was opened, or a BOOL is neither 0 nor 1.
    std::byte* dataOf(const std::string& name) const;
    /// Throws: FormatError if there is no such tensor.
    const StoredTensor& entry(const std::string& name) const;
    /// Lets go of a tensor's pages, as MappedFile::dropPages.
    void dropPages(const StoredTensor& tensor) const noexcept
    {
        m_file.dropPages(tensor.offset, tensor.bytes);
    }
    /// As MappedFile::readAhead.
    void readAhead(std::uint64_t offset, std::uint64_t bytes) const noexcept
    {
        m_file.readAhead(offset, bytes);
    }

private:
    MappedFile m_file;
    SafetensorsHeader m_header;
};

} // namespace longlora
