// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/layer/norm_pass.h"

#include "core/engine/tensor/kernel_bridge.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

namespace longlora {

NormPass normPassForward(const Norm& norm, const ModelConfig& config, const at::Tensor& x,
                         std::int64_t room)
{
    RowsWithRoom y = rowsWithRoom(x.size(0), x.size(1), room, x.options());
    if (config.norm == NormKind::Rms) {
        return {y, {}, rmsNormRows(x, norm.weight, config.normEpsilon, y.rows)};
    }
    const auto [normed, mean, inverse] =
        at::native_layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, config.normEpsilon);
    y.rows.copy_(normed);
    return {y, mean, inverse};
}

void normPassBackward(const Norm& norm, const Norm& gradients, const at::Tensor& x,
                      const NormPass& pass, at::Tensor& gradient)
{
    if (!pass.mean.defined()) {
        rmsNormBackward(gradient, x, norm.weight, pass.inverse, gradients.weight);
        return;
    }
    const auto [dX, dWeight, dBias] = at::native_layer_norm_backward(
        gradient, x, {x.size(-1)}, pass.mean, pass.inverse, norm.weight, norm.bias,
        {true, gradients.weight.defined(), gradients.bias.defined()});
    gradient.copy_(dX);
    if (gradients.weight.defined()) {
        gradients.weight.add_(dWeight);
    }
    if (gradients.bias.defined()) {
        gradients.bias.add_(dBias);
    }
}

} // namespace longlora
