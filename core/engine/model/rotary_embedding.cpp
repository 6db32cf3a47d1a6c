// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/model/rotary_embedding.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

namespace longlora {

RotaryTable rotaryTable(const RopeScaling& rope, std::int64_t rotaryDim, std::int64_t first,
                        std::int64_t count, std::int64_t sequenceLength, const at::Device& device,
                        at::ScalarType modelDtype)
{
    const RopeFrequencies frequencies = ropeFrequencies(rope, rotaryDim, sequenceLength);
    const auto fp64 = at::TensorOptions().dtype(at::kDouble);
    const at::Tensor inverse = at::tensor(frequencies.inverse, fp64);
    const at::Tensor positions = at::arange(first, first + count, fp64);
    const at::Tensor angles = at::outer(positions, inverse);
    const auto dtype = modelDtype == at::kDouble ? at::kDouble : at::kFloat;
    return {(angles.cos() * frequencies.attentionFactor).to(device, dtype),
            (angles.sin() * frequencies.attentionFactor).to(device, dtype)};
}

} // namespace longlora
