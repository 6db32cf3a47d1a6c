// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/gguf/gguf_metadata.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace longlora::test {

/// Little-endian bytes of a number, without any of the writer's help.
std::string u32(std::uint32_t value);
std::string u64(std::uint64_t value);
/// Length and text.
std::string ggufText(const std::string& text);

/// A key with a value of this type, whose bytes are given.
std::string ggufKey(const std::string& key, GgufValueType type, const std::string& value);
std::string ggufArray(GgufValueType element, std::uint64_t count, const std::string& elements);

struct RawTensor {
    std::string name = "t";
    std::vector<std::uint64_t> sizes = {8}; ///< as the format orders them: columns first
    std::uint32_t type = 0;
    std::uint64_t offset = 0;

    std::string bytes() const;
};

/// A file put together part by part, sound unless a part is changed.
struct RawGguf {
    std::string magic = "GGUF";
    std::uint32_t version = 3;
    std::vector<std::string> keys;
    std::vector<RawTensor> tensors;
    std::string data;
    std::uint64_t moreTensors = 0; ///< claimed and not there
    std::uint64_t moreKeys = 0;
    std::uint64_t alignment = 32;

    /// The parts before the data.
    std::string header() const;
    std::string bytes() const;
};

/// A tiny sound file: one tensor of eight fp32 numbers, one key.
RawGguf soundGguf();

void writeRaw(const std::filesystem::path& file, const std::string& bytes);

} // namespace longlora::test
