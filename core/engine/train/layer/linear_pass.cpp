// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/layer/linear_pass.h"

#include "core/engine/tensor/matrix_product.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

namespace longlora {

namespace {

/// sum += scale left right, in the wide type of `sum`.
void addProduct(const at::Tensor& sum, const at::Tensor& left, const at::Tensor& right,
                double scale)
{
    if (sum.scalar_type() == left.scalar_type()) {
        sum.addmm_(left, right, 1.0, scale);
    } else {
        sum.add_(at::mm(left, right), scale);
    }
}

} // namespace

void addGradientOfA(const at::Tensor& sum, const at::Tensor& dHidden, const at::Tensor& x,
                    double scale)
{
    addProduct(sum, dHidden.t(), x, scale);
}

void addGradientOfB(const at::Tensor& sum, const at::Tensor& dY, const at::Tensor& hidden,
                    double scale)
{
    // hidden^T dY has the few rows of A's: the processor's products take half the time of dY^T
    // hidden.
    sum.add_(at::mm(hidden.t(), dY).t(), scale);
}

void linearForward(const LoraLinear& linear, const at::Tensor& x, const at::Tensor& residual,
                   at::Tensor& y)
{
    multiplyInto(y, {x, linear.weight.t(), residual.defined() ? residual : linear.bias});
    if (residual.defined() && linear.bias.defined()) {
        y.add_(linear.bias);
    }
    if (linear.lora) {
        const LoraPair& pair = *linear.lora;
        multiplyInto(y, {multiplied({x, pair.a.t()}), pair.b.t(), y, pair.scale});
    }
}

bool readsInput(const LoraLinear& gradients)
{
    return gradients.weight.defined() || gradients.lora.has_value();
}

void linearBackward(const LinearBackward& pass, at::Tensor& dX)
{
    const auto& [linear, gradients, x, dY, accumulates] = pass;
    multiplyInto(dX, {dY, linear.weight, accumulates ? dX : at::Tensor()});
    if (gradients.weight.defined()) {
        addProduct(gradients.weight, dY.t(), x, 1.0);
    }
    if (gradients.bias.defined()) {
        gradients.bias.add_(dY.sum(0, false, gradients.bias.scalar_type()));
    }
    if (linear.lora) {
        const LoraPair& pair = *linear.lora;
        const at::Tensor dHidden = multiplied({dY, pair.b}); // of x A^T, before the scale
        multiplyInto(dX, {dHidden, pair.a, dX, pair.scale});
        if (gradients.lora) {
            addGradientOfA(gradients.lora->a, dHidden, x, pair.scale);
            addGradientOfB(gradients.lora->b, dY, multiplied({x, pair.a.t()}), pair.scale);
        }
    }
}

} // namespace longlora
