// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"
#include "core/spec/plan/layer_memory.h"

namespace longlora {

/// Floating-point operations of one optimizer step, averaged over the run where its last part runs
/// with full attention. With P the numbers in a layer's linear maps, per token and layer: 2P
/// forward, 2P for the gradient of the input, 2 for each number of a map that is computed again, 2P
/// for gradients of the weights where these are trained; LoRA 6 for each of its numbers; the head 2
/// or 3 times 2 x vocabulary x hidden; attention 4 x head_dim per head and visible pair forward,
/// 2.5 times that backward, once more where it is computed again.
double stepFlops(const ModelConfig& model, const RunConfig& config, const LayerMemory& memory);

} // namespace longlora
