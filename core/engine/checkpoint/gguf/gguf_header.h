// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/gguf/byte_source.h"
#include "core/engine/checkpoint/gguf/ggml_type.h"
#include "core/engine/checkpoint/gguf/gguf_metadata.h"

#include <cstdint>
#include <string>
#include <vector>

namespace longlora {

struct GgufTensor {
    std::string name;
    GgmlType type = GgmlType::F32;
    std::vector<std::int64_t> sizes; ///< as Hugging Face orders them: rows, columns
    std::uint64_t offset = 0;        ///< bytes from the start of the file
    std::uint64_t bytes = 0;

    std::int64_t count() const;
    /// Numbers that lie side by side; blocks do not cross its end.
    std::int64_t rowLength() const { return sizes.back(); }
};

/// What stands before the data of a GGUF file, checked.
struct GgufHeader {
    std::uint32_t version = 3;
    GgufMetadata metadata;
    std::vector<GgufTensor> tensors; ///< in file order
    std::uint64_t alignment = 32;    ///< bytes
    std::uint64_t dataStart = 0;
    std::uint64_t fileBytes = 0;

    /// Nullptr: there is none of that name.
    const GgufTensor* find(const std::string& name) const;
    /// Bytes behind the last tensor and its padding.
    std::uint64_t bytesAtEnd() const;
};

/// Reads and checks a header. Versions 2 and 3, little-endian. Limits: 100,000 keys and as many
/// tensors, 64 MB of text and 8 million elements of arrays in all, tensors of 1 to 4 dimensions
/// with names below 64 bytes, alignment a power of two up to 2^20. Tensors lie in order, without
/// holes, inside the file. `file` names the source.
/// Throws: FormatError with file and offset.
GgufHeader readGgufHeader(const ByteSource& source, const std::string& file);

} // namespace longlora
