// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/safetensors.h"

#include <string_view>

namespace longlora {

/// The first 8 bytes of a file say how long its header is; more than this is refused.
constexpr std::uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

/// What a header says, checked.
struct SafetensorsHeader {
    std::map<std::string, SafetensorsFile::Entry> entries;
    std::map<std::string, std::string> metadata;
};

/// Where the tensors of a file lie. Units: bytes.
struct SafetensorsExtent {
    std::uint64_t dataStart = 0; ///< from the start of the file
    std::uint64_t dataBytes = 0;
};

/// Parses and checks a header (without its length): types, ranges that cover the data exactly once,
/// no duplicates, no unknown keys. Throws: FormatError with `file` and the tensor's name.
SafetensorsHeader parseSafetensorsHeader(std::string_view text, const std::string& file,
                                         const SafetensorsExtent& extent);

/// The header of a file to be written, padded with spaces so that the data after the 8 bytes of its
/// length starts at a multiple of 8; tensors lie in the order given.
std::string formatSafetensorsHeader(const std::vector<SafetensorsWriter::Announced>& tensors,
                                    const std::map<std::string, std::string>& metadata);

/// Place of `dtype` in a file that is written as the reference writer does, widest first; the
/// number of dtypes if the format has no name for it.
std::size_t safetensorsRank(at::ScalarType dtype);

/// Bytes of a tensor of this shape. Sizes are of tensors that exist: no overflow is expected.
std::uint64_t safetensorsBytes(const SafetensorsWriter::Announced& tensor);

} // namespace longlora
