// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/gguf/gguf_file.h"
#include "core/engine/checkpoint/gguf/gguf_writer.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace longlora::test {

/// A GGUF file taken apart, to be changed and written again.
struct GgufParts {
    struct Tensor {
        GgufWriter::Announced announced;
        std::vector<std::byte> bytes;
    };
    std::vector<std::pair<std::string, GgufValue>> keys;
    std::vector<Tensor> tensors;

    static GgufParts of(const std::filesystem::path& file);
    /// Replaces or adds.
    void set(const std::string& key, GgufValue value);
    void remove(const std::string& key);
    void removeTensor(const std::string& name);
    Tensor& tensor(const std::string& name);
    void write(const std::filesystem::path& file) const;
};

} // namespace longlora::test
