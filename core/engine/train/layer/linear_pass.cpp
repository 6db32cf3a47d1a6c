// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/layer/linear_pass.h"

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
    if (residual.defined()) {
        if (residual.const_data_ptr() != y.const_data_ptr()) {
            y.copy_(residual);
        }
        y.addmm_(x, linear.weight.t());
        if (linear.bias.defined()) {
            y.add_(linear.bias);
        }
    } else if (linear.bias.defined()) {
        at::addmm_out(y, linear.bias, x, linear.weight.t());
    } else {
        at::mm_out(y, x, linear.weight.t());
    }
    if (linear.lora) {
        y.addmm_(at::mm(x, linear.lora->a.t()), linear.lora->b.t(), 1.0, linear.lora->scale);
    }
}

bool readsInput(const LoraLinear& gradients)
{
    return gradients.weight.defined() || gradients.lora.has_value();
}

void linearBackward(const LinearBackward& pass, at::Tensor& dX)
{
    const auto& [linear, gradients, x, dY, accumulates] = pass;
    if (accumulates) {
        dX.addmm_(dY, linear.weight);
    } else {
        at::mm_out(dX, dY, linear.weight);
    }
    if (gradients.weight.defined()) {
        addProduct(gradients.weight, dY.t(), x, 1.0);
    }
    if (gradients.bias.defined()) {
        gradients.bias.add_(dY.sum(0, false, gradients.bias.scalar_type()));
    }
    if (linear.lora) {
        const LoraPair& pair = *linear.lora;
        const at::Tensor dHidden = at::mm(dY, pair.b); // of x A^T, before the scale
        dX.addmm_(dHidden, pair.a, 1.0, pair.scale);
        if (gradients.lora) {
            addGradientOfA(gradients.lora->a, dHidden, x, pair.scale);
            addGradientOfB(gradients.lora->b, dY, at::mm(x, pair.a.t()), pair.scale);
        }
    }
}

} // namespace longlora
