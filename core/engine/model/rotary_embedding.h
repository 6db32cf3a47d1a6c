// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/rope_scaling.h"

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace longlora {

/// cos and sin of position x frequency for a run of positions, attention factor included.
struct RotaryTable {
    at::Tensor cos; ///< [seq, rotary_dim / 2], fp32 (fp64 for fp64 models)
    at::Tensor sin; ///< same
};

/// Positions `first` .. `first + count - 1`. Angles are computed in fp64. `sequenceLength` is the
/// length of the whole forward pass, which dynamic scaling depends on; `rotaryDim` the elements of
/// each head that are rotated.
RotaryTable rotaryTable(const RopeScaling& rope, std::int64_t rotaryDim, std::int64_t first,
                        std::int64_t count, std::int64_t sequenceLength, const at::Device& device,
                        at::ScalarType modelDtype);

} // namespace longlora
