// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/gguf/gguf_header.h"

#include <cstddef>
#include <filesystem>
#include <memory>

namespace longlora {

/// A GGUF file with its data mapped into memory; nothing of it is read before it is touched.
class GgufFile {
public:
    /// Throws: what FileSource and readGgufHeader throw.
    static GgufFile open(const std::filesystem::path& file);

    const std::filesystem::path& path() const noexcept { return m_path; }
    const GgufHeader& header() const noexcept { return m_header; }
    const GgufMetadata& metadata() const noexcept { return m_header.metadata; }

    /// The tensor's bytes, which live as long as this. Throws: FormatError if the file shrank.
    const std::byte* data(const GgufTensor& tensor) const;
    /// Lets go of the memory behind a tensor that is no longer looked at; it comes back by itself.
    void release(const GgufTensor& tensor) const;

private:
    struct Map;
    std::filesystem::path m_path;
    GgufHeader m_header;
    std::shared_ptr<Map> m_map;
};

} // namespace longlora
