// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/chunked_loss.h"

#include "core/engine/tensor/kernel_bridge.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

namespace longlora {

namespace {

using torch::autograd::variable_list;

/// The final norm's tensors as leaves of a graph of their own, as far as they are trained.
struct NormLeaves {
    NormLeaves(const Norm& source, const EndGradients& gradients)
        : norm{leaf(source.weight, gradients.normWeight), leaf(source.bias, gradients.normBias)}
    {}
    /// Adds what autograd found to where it is gathered. `found` begins with the input's gradient.
    static void add(const variable_list& found, const EndGradients& gradients)
    {
        std::size_t next = 1;
        for (const at::Tensor& sum : {gradients.normWeight, gradients.normBias}) {
            if (sum.defined()) {
                sum.add_(found[next++]);
            }
        }
    }
    void appendTrained(variable_list& inputs) const
    {
        for (const at::Tensor& tensor : {norm.weight, norm.bias}) {
            if (tensor.defined() && tensor.requires_grad()) {
                inputs.push_back(tensor);
            }
        }
    }

    Norm norm;

private:
    static at::Tensor leaf(const at::Tensor& source, const at::Tensor& gradient)
    {
        return source.defined() ? source.detach().requires_grad_(gradient.defined()) : source;
    }
};

} // namespace

ChunkedLoss chunkedLossAndGradient(const DecoderModel& model, const at::Tensor& hidden,
                                   const at::Tensor& targets, double gradientScale,
                                   const EndGradients& gradients)
{
    const auto wide = hidden.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    ChunkedLoss result{at::zeros({}, hidden.options().dtype(at::kDouble)),
                       at::empty(hidden.sizes(), hidden.options())};
    const at::Tensor head = model.lmHead.detach();
    for (std::int64_t begin = 0; begin < hidden.size(0); begin += kLossChunkTokens) {
        const std::int64_t count = std::min(kLossChunkTokens, hidden.size(0) - begin);
        const at::Tensor x = hidden.narrow(0, begin, count).detach().requires_grad_();
        const NormLeaves leaves(model.finalNorm, gradients);
        at::Tensor normed;
        {
            const at::AutoGradMode recording(true);
            normed = normForward(leaves.norm, model.config, x);
        }
        const c10::NoGradGuard noGradients;
        at::Tensor logits = at::mm(normed.detach(), head.t()).to(wide);
        result.lossSum +=
            fusedCrossEntropy(logits, targets.narrow(0, begin, count), gradientScale).sum();
        const at::Tensor dLogits = logits.to(hidden.scalar_type());
        if (gradients.head.defined()) {
            gradients.head.add_(at::mm(dLogits.t(), normed.detach()));
        }
        variable_list inputs{x};
        leaves.appendTrained(inputs);
        const auto found = torch::autograd::grad({normed}, inputs, {at::mm(dLogits, head)});
        result.hiddenGradient.narrow(0, begin, count).copy_(found[0]);
        NormLeaves::add(found, gradients);
    }
    return result;
}

} // namespace longlora
