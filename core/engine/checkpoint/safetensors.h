// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace longlora {

class SafetensorsMap;

/// A safetensors file, mapped into memory: tensors are views of the map and keep it alive; nothing
/// is read before it is touched. Read-only: clone before writing.
class SafetensorsFile {
public:
    /// Throws: FormatError with file and key or offset for anything the format forbids (header over
    /// 100 MB, holes, overlaps, ranges unlike shape x dtype, duplicate names, unknown dtype, ...).
    static SafetensorsFile open(const std::filesystem::path& file);

    struct Entry {
        at::ScalarType dtype;
        std::vector<std::int64_t> sizes;
        std::uint64_t offset; ///< bytes from the start of the file
        std::uint64_t bytes;
    };
    const std::map<std::string, Entry>& entries() const noexcept { return m_entries; }
    const std::map<std::string, std::string>& metadata() const noexcept;
    const std::filesystem::path& path() const noexcept;
    /// Throws: FormatError if there is no such tensor, or the file shrank since it was opened.
    at::Tensor tensor(const std::string& name) const;
    /// Asks the kernel to read what will be touched soon.
    void readAhead(const Entry& entry) const noexcept;

private:
    std::shared_ptr<const SafetensorsMap> m_map;
    std::map<std::string, Entry> m_entries;
};

/// Writes a file whose tensors are announced first and then streamed in that order, so that a large
/// model never stands in memory whole. Temporary sibling, fdatasync, rename: the file is complete
/// or absent.
class SafetensorsWriter {
public:
    struct Announced {
        std::string name;
        at::ScalarType dtype;
        std::vector<std::int64_t> sizes;
    };
    /// Throws: DataError (no space: checked before the first byte; no permission).
    SafetensorsWriter(const std::filesystem::path& file, const std::vector<Announced>& tensors,
                      const std::map<std::string, std::string>& metadata);
    /// Removes the temporary file if finish() was not reached.
    ~SafetensorsWriter();
    SafetensorsWriter(const SafetensorsWriter&) = delete;
    SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;
    /// Must be the next announced tensor, of its dtype and shape; any device.
    void write(const std::string& name, const at::Tensor& tensor);
    /// The next rows (of the first dimension) of the next announced tensor, which is written when
    /// all its rows are.
    void writeRows(const std::string& name, const at::Tensor& rows);
    void finish();

private:
    struct State;
    std::unique_ptr<State> m_state;
};

/// Bytes of a tensor of this shape. Sizes are of tensors that exist: no overflow is expected.
std::uint64_t safetensorsBytes(const SafetensorsWriter::Announced& tensor);

/// Announce, write and finish in one call: by name, wider numbers before narrower ones so that
/// every tensor is aligned.
void writeSafetensors(const std::filesystem::path& file,
                      const std::map<std::string, at::Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

} // namespace longlora
