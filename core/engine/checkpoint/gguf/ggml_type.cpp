// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/ggml_type.h"

#include <algorithm>
#include <array>

namespace longlora {

namespace {

constexpr GgmlTypeInfo unread(std::uint32_t number, std::string_view name, std::uint32_t length,
                              std::uint32_t bytes)
{
    return {static_cast<GgmlType>(number), name, length, bytes, false};
}

constexpr std::array kTypes = {
    GgmlTypeInfo{GgmlType::F32, "F32", 1, 4, true},
    GgmlTypeInfo{GgmlType::F16, "F16", 1, 2, true},
    GgmlTypeInfo{GgmlType::Q4_0, "Q4_0", 32, 18, true},
    GgmlTypeInfo{GgmlType::Q4_1, "Q4_1", 32, 20, true},
    GgmlTypeInfo{GgmlType::Q5_0, "Q5_0", 32, 22, true},
    GgmlTypeInfo{GgmlType::Q5_1, "Q5_1", 32, 24, true},
    GgmlTypeInfo{GgmlType::Q8_0, "Q8_0", 32, 34, true},
    GgmlTypeInfo{GgmlType::Q4_K, "Q4_K", 256, 144, true},
    GgmlTypeInfo{GgmlType::Q5_K, "Q5_K", 256, 176, true},
    GgmlTypeInfo{GgmlType::Q6_K, "Q6_K", 256, 210, true},
    GgmlTypeInfo{GgmlType::BF16, "BF16", 1, 2, true},
    unread(9, "Q8_1", 32, 36),
    unread(10, "Q2_K", 256, 84),
    unread(11, "Q3_K", 256, 110),
    unread(15, "Q8_K", 256, 292),
    unread(16, "IQ2_XXS", 256, 66),
    unread(17, "IQ2_XS", 256, 74),
    unread(18, "IQ3_XXS", 256, 98),
    unread(19, "IQ1_S", 256, 50),
    unread(20, "IQ4_NL", 32, 18),
    unread(21, "IQ3_S", 256, 110),
    unread(22, "IQ2_S", 256, 82),
    unread(23, "IQ4_XS", 256, 136),
    unread(24, "I8", 1, 1),
    unread(25, "I16", 1, 2),
    unread(26, "I32", 1, 4),
    unread(27, "I64", 1, 8),
    unread(28, "F64", 1, 8),
    unread(29, "IQ1_M", 256, 56),
    unread(34, "TQ1_0", 256, 54),
    unread(35, "TQ2_0", 256, 66),
    unread(39, "MXFP4", 32, 17),
    unread(40, "NVFP4", 64, 36),
    unread(41, "Q1_0", 128, 18),
};

} // namespace

const GgmlTypeInfo* findGgmlType(std::uint32_t number)
{
    const auto* const found = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& known) {
        return static_cast<std::uint32_t>(known.type) == number;
    });
    return found == kTypes.end() ? nullptr : found;
}

const GgmlTypeInfo& ggmlTypeInfo(GgmlType type)
{
    return *findGgmlType(static_cast<std::uint32_t>(type));
}

std::optional<std::uint64_t> ggmlBytes(const GgmlTypeInfo& info, std::uint64_t count)
{
    constexpr std::uint64_t kMost = std::uint64_t{1} << 63;
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(count / info.blockLength, std::uint64_t{info.blockBytes}, &bytes) ||
        bytes > kMost) {
        return std::nullopt;
    }
    return bytes;
}

} // namespace longlora
