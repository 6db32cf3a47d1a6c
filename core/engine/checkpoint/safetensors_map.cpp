// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/safetensors_map.h"

#include "core/engine/checkpoint/pickle/little_endian.h"
#include "core/spec/base/error.h"

#include <fmt/format.h>

namespace longlora {

namespace {

constexpr std::uint64_t kLengthBytes = 8;

/// Throws: FormatError if the file cannot hold the header that its first 8 bytes announce.
std::uint64_t headerBytesOf(const MappedFile& file)
{
    const std::string name = file.path().string();
    if (file.size() < kLengthBytes) {
        throw FormatError(name, fmt::format("offset {}", file.size()),
                          "the file ends inside the 8 bytes of its header's length");
    }
    const std::uint64_t headerBytes = littleEndian(file.readAt(0, kLengthBytes), 0, kLengthBytes);
    if (headerBytes > kMaxSafetensorsHeaderBytes) {
        throw FormatError(name, "offset 0",
                          fmt::format("a header of {} bytes is above the limit of {}; this is no "
                                      "safetensors file",
                                      headerBytes, kMaxSafetensorsHeaderBytes));
    }
    if (headerBytes > file.size() - kLengthBytes) {
        throw FormatError(name, "offset 0",
                          fmt::format("the header should have {} bytes, but only {} follow; the "
                                      "file is truncated",
                                      headerBytes, file.size() - kLengthBytes));
    }
    return headerBytes;
}

} // namespace

SafetensorsMap::SafetensorsMap(const std::filesystem::path& file)
    : m_file(file)
{
    const std::uint64_t headerBytes = headerBytesOf(m_file);
    const SafetensorsExtent extent{kLengthBytes + headerBytes,
                                   m_file.size() - kLengthBytes - headerBytes};
    m_header =
        parseSafetensorsHeader(m_file.readAt(kLengthBytes, headerBytes), file.string(), extent);
}

const StoredTensor& SafetensorsMap::entry(const std::string& name) const
{
    const auto found = m_header.entries.find(name);
    if (found == m_header.entries.end()) {
        throw FormatError(path().string(), {}, "there is no tensor " + name);
    }
    return found->second;
}

std::byte* SafetensorsMap::dataOf(const std::string& name) const
{
    const StoredTensor& tensor = entry(name);
    m_file.requireUnshrunk("tensor " + name);
    std::byte* const begin = m_file.data() + tensor.offset;
    if (tensor.dtype == StoredDtype::Bool) {
        m_file.requireBooleans(tensor.offset, tensor.bytes, "tensor " + name);
    }
    return begin;
}

} // namespace longlora
