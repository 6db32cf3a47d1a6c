// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"

#include <array>
#include <optional>
#include <string_view>

namespace longlora {

/// The spelling of each enumerator in JSON and on the command line, in the order of declaration.
template <class Enum>
inline constexpr std::array<std::string_view, 0> kEnumNames{};

template <>
inline constexpr auto kEnumNames<DataFormat> =
    std::to_array<std::string_view>({"auto", "text", "markdown", "jsonl", "tokens"});
template <>
inline constexpr auto kEnumNames<Packing> = std::to_array<std::string_view>({"documents",
                                                                             "stream"});
template <>
inline constexpr auto kEnumNames<ContextRope> =
    std::to_array<std::string_view>({"linear", "ntk", "yarn", "llama3", "none"});
template <>
inline constexpr auto kEnumNames<AttentionKind> = std::to_array<std::string_view>({"s2", "full"});
template <>
inline constexpr auto kEnumNames<GroupEdge> = std::to_array<std::string_view>({"clipped",
                                                                               "circular"});
template <>
inline constexpr auto kEnumNames<TrainingMethod> = std::to_array<std::string_view>({"lora",
                                                                                    "full"});
template <>
inline constexpr auto kEnumNames<Quantization> = std::to_array<std::string_view>({"none", "nf4"});
template <>
inline constexpr auto
    kEnumNames<ScheduleKind> = std::to_array<std::string_view>({"constant", "cosine", "linear"});
template <>
inline constexpr auto kEnumNames<ComputePrecision> =
    std::to_array<std::string_view>({"auto", "bf16", "fp32", "fp64"});
template <>
inline constexpr auto kEnumNames<RecomputeLevel> =
    std::to_array<std::string_view>({"auto", "none", "mlp", "qkv", "output", "full"});
template <>
inline constexpr auto kEnumNames<MomentFormat> = std::to_array<std::string_view>({"fp32", "bf16",
                                                                                  "8bit"});
template <>
inline constexpr auto kEnumNames<OffloadMode> = std::to_array<std::string_view>({"auto", "on",
                                                                                 "off"});
template <>
inline constexpr auto kEnumNames<DeviceKind> = std::to_array<std::string_view>({"auto", "cpu",
                                                                                "cuda"});

template <class Enum>
constexpr std::string_view enumName(Enum value)
{
    return kEnumNames<Enum>[static_cast<std::size_t>(value)];
}

/// Empty for a name that is none of kEnumNames<Enum>.
template <class Enum>
constexpr std::optional<Enum> enumFromName(std::string_view name)
{
    for (std::size_t i = 0; i < kEnumNames<Enum>.size(); ++i) {
        if (kEnumNames<Enum>[i] == name) {
            return static_cast<Enum>(i);
        }
    }
    return std::nullopt;
}

} // namespace longlora
