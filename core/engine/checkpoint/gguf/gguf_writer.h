// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/gguf/ggml_type.h"
#include "core/engine/checkpoint/gguf/gguf_metadata.h"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace longlora {

/// Writes a GGUF file of version 3 whose tensors are announced first and then streamed in that
/// order, as large or small pieces as the caller likes. Temporary sibling, fdatasync, rename: the
/// file is complete or absent.
class GgufWriter {
public:
    struct Announced {
        std::string name;
        GgmlType type = GgmlType::F32;
        std::vector<std::int64_t> sizes; ///< as Hugging Face orders them: rows, columns
    };
    /// Throws: ConfigError if `file` exists; DataError (no space: checked before the first byte; no
    /// permission).
    GgufWriter(const std::filesystem::path& file, const GgufMetadata& metadata,
               const std::vector<Announced>& tensors);
    /// Removes the temporary file if commit() was not reached.
    ~GgufWriter();
    GgufWriter(const GgufWriter&) = delete;
    GgufWriter& operator=(const GgufWriter&) = delete;

    /// The next bytes of the tensors; a piece ends where its tensor ends, or before.
    void write(std::span<const std::byte> bytes);
    /// After the last byte: all is on the disk, under this name. Returned for reading it back.
    const std::filesystem::path& finish();
    /// Gives the file its name. Throws: ConfigError if somebody made one of that name meanwhile.
    void commit();

private:
    struct State;
    std::unique_ptr<State> m_state;
};

} // namespace longlora
