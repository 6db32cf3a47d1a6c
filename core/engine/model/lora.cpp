// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/model/lora.h"

#include "core/engine/tensor/kernel_bridge.h"

#include <ATen/ops/add.h>

namespace longlora {

at::Tensor LoraLinear::forward(const at::Tensor& x) const
{
    const at::Tensor y = fusedLinear(x, weight, bias);
    if (!lora) {
        return y;
    }
    const at::Tensor update = fusedLinear(fusedLinear(x, lora->a), lora->b);
    return at::add(y, update, lora->scale);
}

} // namespace longlora
