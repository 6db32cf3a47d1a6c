// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/model/lora.h"

#include <ATen/ops/add.h>
#include <ATen/ops/linear.h>

namespace longlora {

at::Tensor LoraLinear::forward(const at::Tensor& x) const
{
    at::Tensor y = bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight);
    if (!lora) {
        return y;
    }
    const at::Tensor update = at::linear(at::linear(x, lora->a), lora->b);
    return at::add(y, update, lora->scale);
}

} // namespace longlora
