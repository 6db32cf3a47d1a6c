// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/safetensors.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>

namespace longlora {

/// A file of torch.save (pytorch_model.bin, adapter_model.bin), mapped into memory and read without
/// running anything of it (pickle/torch_archive.h). Tensors are views of the map and keep it alive,
/// except those that are not contiguous, which are copied. Read-only: clone before writing.
class PickleFile {
public:
    /// Throws: FormatError with file and offset, DataError.
    static PickleFile open(const std::filesystem::path& file);

    /// `bytes` of an entry is what the tensor takes once it is contiguous.
    const std::map<std::string, SafetensorsFile::Entry>& entries() const noexcept
    {
        return m_entries;
    }
    const std::filesystem::path& path() const noexcept;
    /// Contiguous. Throws: FormatError if there is no such tensor, or the file shrank since it was
    /// opened.
    at::Tensor tensor(const std::string& name) const;
    /// Asks the kernel to read what will be touched soon.
    void readAhead(const SafetensorsFile::Entry& entry) const noexcept;

private:
    struct Contents;
    std::shared_ptr<const Contents> m_contents;
    std::map<std::string, SafetensorsFile::Entry> m_entries;
};

} // namespace longlora
