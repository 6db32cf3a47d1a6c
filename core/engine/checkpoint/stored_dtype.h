// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace longlora {

/// How the numbers of a file are stored; nothing of LibTorch. Widest first: the order in which the
/// reference writer of safetensors lays tensors out.
enum class StoredDtype : std::uint8_t { I64, F64, F32, I32, BF16, F16, I16, I8, U8, Bool };

struct StoredDtypeInfo {
    std::string_view name; ///< as safetensors spells it
    std::uint64_t bytes;   ///< of one number
};

/// In the order of StoredDtype.
constexpr std::array<StoredDtypeInfo, 10> kStoredDtypes = {{
    {"I64", 8},
    {"F64", 8},
    {"F32", 4},
    {"I32", 4},
    {"BF16", 2},
    {"F16", 2},
    {"I16", 2},
    {"I8", 1},
    {"U8", 1},
    {"BOOL", 1},
}};

constexpr const StoredDtypeInfo& infoOf(StoredDtype dtype)
{
    return kStoredDtypes[static_cast<std::size_t>(dtype)];
}

/// Empty if no dtype has that name.
constexpr std::optional<StoredDtype> storedDtypeNamed(std::string_view name)
{
    for (std::size_t i = 0; i < kStoredDtypes.size(); ++i) {
        if (kStoredDtypes[i].name == name) {
            return static_cast<StoredDtype>(i);
        }
    }
    return std::nullopt;
}

/// A tensor of a file: what it holds and where.
struct StoredTensor {
    StoredDtype dtype;
    std::vector<std::int64_t> sizes;
    std::uint64_t offset; ///< bytes from the start of the file
    std::uint64_t bytes;
};

} // namespace longlora
