// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/model/decoder_model.h"
#include "core/engine/tensor/torch_compat.h"

namespace longlora {

/// A model with random weights: for training from nothing, benchmarks and tests. Matrices normal
/// with standard deviation 1/sqrt(in), those that write into the residual stream divided by sqrt(2
/// x layers) (Radford et al. 2019, sec. 2.3); embeddings 0.05; norms one, biases zero.
DecoderModel randomModel(const ModelConfig& config, std::int64_t seed, const ComputePlace& place);

} // namespace longlora
