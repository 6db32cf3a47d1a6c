// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/pickle_file.h"
#include "core/engine/checkpoint/safetensors.h"

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <variant>

namespace longlora {

/// A file of tensors by name, of either kind.
class TensorFile {
public:
    TensorFile(SafetensorsFile file)
        : m_file(std::move(file))
    {}
    TensorFile(PickleFile file)
        : m_file(std::move(file))
    {}
    /// By the end of its name: ".bin", ".pt" and ".pth" are torch's. Throws: as SafetensorsFile
    /// and PickleFile.
    static TensorFile open(const std::filesystem::path& file)
    {
        const std::filesystem::path ending = file.extension();
        const bool isTorch = ending == ".bin" || ending == ".pt" || ending == ".pth";
        return isTorch ? TensorFile(PickleFile::open(file))
                       : TensorFile(SafetensorsFile::open(file));
    }

    const std::map<std::string, SafetensorsFile::Entry>& entries() const
    {
        return std::visit(
            [](const auto& file) -> const auto& { return file.entries(); }, m_file);
    }
    const std::filesystem::path& path() const
    {
        return std::visit(
            [](const auto& file) -> const auto& { return file.path(); }, m_file);
    }
    /// Contiguous, if possible a view of the map. Throws: FormatError.
    at::Tensor tensor(const std::string& name) const
    {
        return std::visit([&](const auto& file) { return file.tensor(name); }, m_file);
    }
    /// Asks the kernel to read what will be touched soon.
    void readAhead(const SafetensorsFile::Entry& entry) const
    {
        std::visit([&](const auto& file) { file.readAhead(entry); }, m_file);
    }

private:
    std::variant<SafetensorsFile, PickleFile> m_file;
};

} // namespace longlora
