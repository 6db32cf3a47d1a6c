// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/kernel_bridge.h"

#include "kernels/cross_entropy.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary_embedding.h"
#include "kernels/swiglu.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#if defined(LONGLORA_WITH_CUDA)
#    include <c10/cuda/CUDAStream.h>
#endif

namespace longlora {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

kernels::DType kernelDtype(at::ScalarType dtype)
{
    switch (dtype) {
    case at::kDouble:
        return kernels::DType::Float64;
    case at::kBFloat16:
        return kernels::DType::BFloat16;
    case at::kHalf:
        return kernels::DType::Float16;
    default:
        return kernels::DType::Float32;
    }
}

kernels::TensorView view(const at::Tensor& x)
{
    kernels::TensorView result{
        x.data_ptr(), kernelDtype(x.scalar_type()), static_cast<int>(x.dim()), {}, {}};
    for (std::int64_t axis = 0; axis < x.dim(); ++axis) {
        result.sizes[static_cast<std::size_t>(axis)] = x.size(axis);
        result.strides[static_cast<std::size_t>(axis)] = x.stride(axis);
    }
    return result;
}

/// [..., columns] as [rows, columns].
kernels::TensorView rowsView(const at::Tensor& x)
{
    const std::int64_t columns = x.size(-1);
    return kernels::contiguousView(x.data_ptr(), kernelDtype(x.scalar_type()),
                                   {columns == 0 ? 0 : x.numel() / columns, columns});
}

kernels::Stream streamOf(const at::Tensor& x)
{
    kernels::Stream stream;
    stream.threads = at::get_num_threads();
    if (x.is_cuda()) {
        stream.device = kernels::Device::Cuda;
#if defined(LONGLORA_WITH_CUDA)
        stream.handle = c10::cuda::getCurrentCUDAStream(x.get_device()).stream();
#endif
    }
    return stream;
}

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
    kernels::TensorView part = view(x);
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

} // namespace

RmsNormed rmsNormForward(const at::Tensor& x, const at::Tensor& weight, double epsilon)
{
    const std::int64_t rows = x.numel() / std::max<std::int64_t>(1, x.size(-1));
    RmsNormed normed{at::empty(x.sizes(), x.options()),
                     at::empty({rows}, x.options().dtype(wideType(x)))};
    kernels::rmsNormForward({rowsView(x), view(weight), rowsView(normed.y), view(normed.inverseRms),
                             epsilon, streamOf(x)});
    return normed;
}

void rmsNormBackward(at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                     const at::Tensor& inverseRms, const at::Tensor& dWeight)
{
    kernels::rmsNormBackward(
        {rowsView(x), view(weight), view(inverseRms), rowsView(gradient), rowsView(gradient),
         dWeight.defined() ? view(dWeight) : kernels::TensorView{}, streamOf(x)});
}

void rotateForward(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin)
{
    kernels::rotaryEmbeddingForward(
        {rotatedPart(x, cos.size(1)), view(cos), view(sin), streamOf(x)});
}

void rotateBackward(at::Tensor& gradient, const at::Tensor& cos, const at::Tensor& sin)
{
    kernels::rotaryEmbeddingBackward(
        {rotatedPart(gradient, cos.size(1)), view(cos), view(sin), streamOf(gradient)});
}

void swigluForward(const at::Tensor& gate, const at::Tensor& up, at::Tensor& y)
{
    kernels::swigluForward({rowsView(gate), rowsView(up), rowsView(y), streamOf(gate)});
}

void swigluBackward(at::Tensor& gate, at::Tensor& up, const at::Tensor& dY)
{
    kernels::swigluBackward(
        {rowsView(gate), rowsView(up), rowsView(dY), rowsView(gate), rowsView(up), streamOf(gate)});
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
    kernels::softmaxCrossEntropy({view(logits), ids.const_data_ptr<std::int64_t>(),
                                  losses.mutable_data_ptr<double>(), gradientScale,
                                  gradientScale != 0.0, streamOf(logits)});
    return losses;
}

} // namespace longlora
