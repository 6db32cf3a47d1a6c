// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/file_descriptor.h"
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
    ~SafetensorsMap();
    SafetensorsMap(const SafetensorsMap&) = delete;
    SafetensorsMap& operator=(const SafetensorsMap&) = delete;

    const std::filesystem::path& path() const noexcept { return m_path; }
    const SafetensorsHeader& header() const noexcept { return m_header; }
    /// First byte of a tensor with at least one number; read-only. Throws: FormatError if there is
    /// no such tensor, the file shrank since it was opened, or a BOOL is neither 0 nor 1.
    std::byte* dataOf(const std::string& name) const;
    /// Throws: FormatError if there is no such tensor.
    const StoredTensor& entry(const std::string& name) const;

private:
    std::filesystem::path m_path;
    FileDescriptor m_descriptor;
    SafetensorsHeader m_header;
    std::byte* m_data = nullptr;
    std::uint64_t m_bytes = 0;
};

} // namespace longlora
