// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config_enums.h"

#include <array>

namespace longlora {

/// How a conversation's keys and values are kept.
enum class KvFormat {
    Model,    ///< in the dtype that the model computes in
    BFloat16, ///< in bf16, whatever the model computes in
    Int8,     ///< 8 bits, one fp32 scale for each head of each token: about half of bf16
    Int4,     ///< groups of 32 numbers in 4 bits, a third of bf16; the newest tokens in full
};

/// In 4 bits tokens leave for their groups in blocks of so many, and at least one block of the
/// newest stays in full: what a word depends on most was mostly said just before it.
inline constexpr int kKvBlockTokens = 64;

template <>
inline constexpr auto kEnumNames<KvFormat> = std::to_array<std::string_view>({"auto", "bf16",
                                                                              "int8", "int4"});
inline constexpr std::size_t kKvFormats = kEnumNames<KvFormat>.size();

/// Memory of the keys and values of some tokens in one format.
struct KvMemory {
    double fixedBytes = 0.0;
    double bytesPerToken = 0.0;

    double bytesFor(double tokens) const { return fixedBytes + tokens * bytesPerToken; }
};

} // namespace longlora
