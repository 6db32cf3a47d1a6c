// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace longlora {

/// How the numbers of a tensor are stored, numbered as in ggml. Those that are read and written
/// have names here; the others are known only well enough to be refused by name.
enum class GgmlType : std::uint32_t {
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    BF16 = 30,
};

struct GgmlTypeInfo {
    GgmlType type = GgmlType::F32;
    std::string_view name;         ///< "Q4_K"
    std::uint32_t blockLength = 1; ///< numbers in a block
    std::uint32_t blockBytes = 0;
    bool isRead = false; ///< whether dequantize() knows it
};

/// Null: ggml has no such type, or has given it up.
const GgmlTypeInfo* findGgmlType(std::uint32_t number);
/// Of a type that findGgmlType has found.
const GgmlTypeInfo& ggmlTypeInfo(GgmlType type);

/// Bytes of `count` numbers, a multiple of the type's block; empty: more than 2^63.
std::optional<std::uint64_t> ggmlBytes(const GgmlTypeInfo& info, std::uint64_t count);

} // namespace longlora
