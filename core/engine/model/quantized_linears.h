// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/model/decoder_model.h"

namespace longlora {

/// Keeps a frozen weight in 4 bits from here on. Source: Dettmers et al. 2023 (arXiv:2305.14314).
void quantize(LoraLinear& linear);
/// All linear maps of all layers; embedding, head, norms and biases stay as they are.
void quantizeLinears(DecoderModel& model);

/// Makes `dense` the same layer with every weight in full, as `dtype`, and its low-rank updates
/// stacked with them. What `dense` held of an earlier layer is written over, so that one layer
/// stands unpacked, however many there are.
void unpackLinears(const DecoderLayer& layer, const ModelConfig& config, at::ScalarType dtype,
                   DecoderLayer& dense);

} // namespace longlora
