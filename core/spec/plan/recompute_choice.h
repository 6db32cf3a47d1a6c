// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"

namespace longlora {

/// Bytes that autograd keeps for the backward of one decoder layer over `tokens` tokens (inputs of
/// norms, rotary embedding, attention, gate and up, and of the LoRA products).
double layerGraphBytes(const ModelConfig& model, const RunConfig& config, std::int64_t tokens,
                       double bytesPerElement);

/// What `memory.recompute: auto` means: graphs of all layers are kept where together they stay
/// below kKeptGraphsLimitBytes, which makes a step a third faster; else only hidden states are.
/// Depends on the run alone, not on the machine, so that a run repeats anywhere.
RecomputeLevel resolvedRecompute(const ModelConfig& model, const RunConfig& config);

inline constexpr double kKeptGraphsLimitBytes = 1024.0 * 1024.0 * 1024.0;

} // namespace longlora
