// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes: B batch, S seq, H heads, D head_dim.
#include "core/engine/model/rotary_embedding.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

namespace longlora {

RotaryTable rotaryTable(const RopeScaling& rope, std::int64_t headDim, std::int64_t first,
                        std::int64_t count, std::int64_t sequenceLength, const at::Device& device,
                        at::ScalarType modelDtype)
{
    const RopeFrequencies frequencies = ropeFrequencies(rope, headDim, sequenceLength);
    const auto fp64 = at::TensorOptions().dtype(at::kDouble);
    const at::Tensor inverse = at::tensor(frequencies.inverse, fp64);
    const at::Tensor positions = at::arange(first, first + count, fp64);
    const at::Tensor angles = at::outer(positions, inverse);
    const auto dtype = modelDtype == at::kDouble ? at::kDouble : at::kFloat;
    return {(angles.cos() * frequencies.attentionFactor).to(device, dtype),
            (angles.sin() * frequencies.attentionFactor).to(device, dtype)};
}

at::Tensor applyRotary(const at::Tensor& x_BSHD, const RotaryTable& table)
{
    const std::int64_t half = x_BSHD.size(3) / 2;
    const at::Tensor cos = table.cos.unsqueeze(1);
    const at::Tensor sin = table.sin.unsqueeze(1);
    const at::Tensor x = x_BSHD.to(table.cos.scalar_type());
    const at::Tensor first = x.narrow(3, 0, half);
    const at::Tensor second = x.narrow(3, half, half);
    return at::cat({first * cos - second * sin, second * cos + first * sin}, 3)
        .to(x_BSHD.scalar_type());
}

} // namespace longlora
