// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/kernel_bridge.h"

#include "core/engine/tensor/kernel_views.h"
#include "core/engine/tensor/matrix_product.h"
#include "kernels/cross_entropy.h"
#include "kernels/embedding_gradient.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary_embedding.h"
#include "kernels/row_product.h"
#include "kernels/swiglu.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

namespace longlora {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

at::ScalarType wideType(const at::Tensor& x)
{
    return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

class RmsNorm : public Function<RmsNorm> {
public:
    static at::Tensor forward(AutogradContext* context, const at::Tensor& xAnyStride,
                              const at::Tensor& weight, double epsilon)
    {
        const at::Tensor x = xAnyStride.contiguous();
        const RmsNormed normed = rmsNormForward(x, weight, epsilon);
        context->save_for_backward({x, weight, normed.inverseRms});
        return normed.y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients)
    {
        const variable_list saved = context->get_saved_variables();
        const at::Tensor &x = saved[0], &weight = saved[1];
        at::Tensor dX = gradients[0].clone(at::MemoryFormat::Contiguous);
        at::Tensor dWeight;
        if (context->needs_input_grad(1)) {
            dWeight = at::zeros(weight.sizes(), weight.options().dtype(wideType(x)));
        }
        rmsNormBackward(dX, x, weight, saved[2], dWeight);
        return {dX, dWeight.defined() ? dWeight.to(weight.scalar_type()) : dWeight, at::Tensor()};
    }
};

/// The part of each head that a table of `pairs` angles rotates.
kernels::TensorView rotatedPart(const at::Tensor& x, std::int64_t pairs)
{
    kernels::TensorView part = kernelView(x);
    part.sizes[3] = 2 * pairs;
    return part;
}

class Rotary : public Function<Rotary> {
public:
    static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& cos,
                              const at::Tensor& sin)
    {
        at::Tensor y = x.clone(at::MemoryFormat::Contiguous);
        rotateForward(y, cos, sin);
        context->save_for_backward({cos, sin});
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients)
    {
        const variable_list saved = context->get_saved_variables();
        at::Tensor dX = gradients[0].clone(at::MemoryFormat::Contiguous);
        rotateBackward(dX, saved[0], saved[1]);
        return {dX, at::Tensor(), at::Tensor()};
    }
};

class Swiglu : public Function<Swiglu> {
public:
    static at::Tensor forward(AutogradContext* context, const at::Tensor& gate,
                              const at::Tensor& up)
    {
        at::Tensor y = at::empty(gate.sizes(), gate.options());
        swigluForward(gate, up, y);
        context->save_for_backward({gate, up});
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients)
    {
        const variable_list saved = context->get_saved_variables();
        at::Tensor dGate = saved[0].clone(), dUp = saved[1].clone();
        swigluBackward(dGate, dUp, gradients[0].contiguous());
        return {dGate, dUp};
    }
};

/// LibTorch's products of 16 bits keep their pace for many rows.
bool isOneRow(const at::Tensor& x, const at::Tensor& weight)
{
    const bool isShort = x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf;
    return x.is_cpu() && isShort && weight.scalar_type() == x.scalar_type() &&
           x.numel() == x.size(-1) && x.stride(-1) == 1 && weight.stride(1) == 1;
}

} // namespace

at::Tensor fusedLinear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias)
{
    const bool differentiable = c10::GradMode::is_enabled();
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = weight.size(0);
    if (!differentiable && isOneRow(x, weight)) {
        at::Tensor y = at::empty(shape, x.options());
        kernels::rowProduct({kernelView(weight), kernelView(x.flatten()), kernelView(y.flatten()),
                             at::get_num_threads()});
        return bias.defined() ? y.add_(bias) : y;
    }
    const Product product{x.reshape({-1, x.size(-1)}), weight.t(), bias};
    if (!differentiable && isOurs(product)) {
        return multiplied(product).view(shape);
    }
    return bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight);
}

RmsNormed rmsNormForward(const at::Tensor& x, const at::Tensor& weight, double epsilon)
{
    const at::Tensor y = at::empty(x.sizes(), x.options());
    const std::int64_t columns = x.size(-1);
    const std::int64_t count = x.numel() / std::max<std::int64_t>(1, columns);
    at::Tensor rows = y.view({count, columns});
    return {y, rmsNormRows(x.view({count, columns}), weight, epsilon, rows)};
}

at::Tensor rmsNormRows(const at::Tensor& x, const at::Tensor& weight, double epsilon, at::Tensor& y)
{
    at::Tensor inverseRms = at::empty({x.size(0)}, x.options().dtype(wideType(x)));
    kernels::rmsNormForward({kernelView(x), kernelView(weight), kernelView(y),
                             kernelView(inverseRms), epsilon, kernelStream(x)});
    return inverseRms;
}

void rmsNormBackward(at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                     const at::Tensor& inverseRms, const at::Tensor& dWeight)
{
    kernels::rmsNormBackward({kernelRows(x), kernelView(weight), kernelView(inverseRms),
                              kernelRows(gradient), kernelRows(gradient),
                              dWeight.defined() ? kernelView(dWeight) : kernels::TensorView{},
                              kernelStream(x)});
}

void rotateForward(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin)
{
    kernels::rotaryEmbeddingForward(
        {rotatedPart(x, cos.size(1)), kernelView(cos), kernelView(sin), kernelStream(x)});
}

void rotateBackward(at::Tensor& gradient, const at::Tensor& cos, const at::Tensor& sin)
{
    kernels::rotaryEmbeddingBackward({rotatedPart(gradient, cos.size(1)), kernelView(cos),
                                      kernelView(sin), kernelStream(gradient)});
}

void addToRows(const at::Tensor& sum, const at::Tensor& rows, const at::Tensor& gradient)
{
    const at::Tensor rowOf = rows.contiguous();
    const at::Tensor order = at::argsort(rowOf, /*stable=*/true, /*dim=*/0, /*descending=*/false);
    kernels::embeddingGradient({kernelView(gradient), rowOf.const_data_ptr<std::int64_t>(),
                                order.const_data_ptr<std::int64_t>(), kernelView(sum),
                                kernelStream(sum)});
}

void swigluForward(const at::Tensor& gate, const at::Tensor& up, at::Tensor& y)
{
    kernels::swigluForward({kernelRows(gate), kernelRows(up), kernelRows(y), kernelStream(gate)});
}

void swigluBackward(at::Tensor& gate, at::Tensor& up, const at::Tensor& dY)
{
    kernels::swigluBackward({kernelRows(gate), kernelRows(up), kernelRows(dY), kernelRows(gate),
                             kernelRows(up), kernelStream(gate)});
}

at::Tensor fusedRmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon)
{
    return RmsNorm::apply(x, weight, epsilon);
}

at::Tensor fusedRotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin)
{
    return Rotary::apply(x, cos, sin);
}

at::Tensor fusedSwiglu(const at::Tensor& gate, const at::Tensor& up)
{
    return Swiglu::apply(gate.contiguous(), up.contiguous());
}

at::Tensor fusedCrossEntropy(at::Tensor& logits, const at::Tensor& targets, double gradientScale)
{
    const at::Tensor losses = at::empty({logits.size(0)}, logits.options().dtype(at::kDouble));
    const at::Tensor ids = targets.contiguous();
    kernels::softmaxCrossEntropy({kernelView(logits), ids.const_data_ptr<std::int64_t>(),
                                  losses.mutable_data_ptr<double>(), gradientScale,
                                  gradientScale != 0.0, kernelStream(logits)});
    return losses;
}

} // namespace longlora
