// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/gguf/ggml_type.h"

#include <cstddef>
#include <cstdint>

namespace longlora {

/// `numbers` as blocks of `type`: F32, F16, BF16 or Q8_0, bit by bit as ggml and its Python package
/// write them. `count` is a multiple of the type's block. What is too large for a half becomes
/// infinity. Source: ggml-quants.c, quantize_row_q8_0_ref.
void quantize(GgmlType type, const float* numbers, std::int64_t count, std::byte* out);

} // namespace longlora
