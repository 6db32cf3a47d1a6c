// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/gguf/ggml_type.h"

#include <cstddef>
#include <cstdint>

namespace longlora {

/// The numbers that `blocks` stand for, bit by bit those of ggml. `count` is a multiple of the
/// type's block; nothing need be aligned. `type` is one that is read (GgmlTypeInfo::isRead).
/// Source: ggml-quants.c, dequantize_row_*.
void dequantize(GgmlType type, const std::byte* blocks, std::int64_t count, float* out);

} // namespace longlora
