// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/stored_dtype.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace longlora {

/// The first 8 bytes of a file say how long its header is; more than this is refused.
constexpr std::uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

/// What a header says, checked.
struct SafetensorsHeader {
    std::map<std::string, StoredTensor> entries;
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

/// A tensor of a file to be written.
struct TensorToStore {
    std::string name;
    StoredDtype dtype;
    std::vector<std::int64_t> sizes;
};

/// Bytes of a tensor of this shape. Sizes are of tensors that exist: no overflow is expected.
std::uint64_t bytesOf(const TensorToStore& tensor);

/// The header of a file to be written, padded with spaces so that the data after the 8 bytes of its
/// length starts at a multiple of 8; tensors lie in the order given.
std::string formatSafetensorsHeader(const std::vector<TensorToStore>& tensors,
                                    const std::map<std::string, std::string>& metadata);

} // namespace longlora
