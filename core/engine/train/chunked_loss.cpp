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

ChunkedLoss chunkedLossAndGradient(const DecoderModel& model, const at::Tensor& hidden,
                                   const at::Tensor& targets, double gradientScale,
                                   at::Tensor normGradient, at::Tensor headGradient)
{
    const auto wide = hidden.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    ChunkedLoss result{at::zeros({}, hidden.options().dtype(at::kDouble)),
                       at::empty(hidden.sizes(), hidden.options())};
    const double epsilon = model.config.rmsNormEpsilon;
    for (std::int64_t begin = 0; begin < hidden.size(0); begin += kLossChunkTokens) {
        const std::int64_t count = std::min(kLossChunkTokens, hidden.size(0) - begin);
        const at::Tensor x = hidden.narrow(0, begin, count).detach().requires_grad_();
        const at::Tensor norm = model.finalNorm.detach().requires_grad_(normGradient.defined());
        at::Tensor normed;
        {
            const at::AutoGradMode gradients(true);
            normed = fusedRmsNorm(x, norm, epsilon);
        }
        const c10::NoGradGuard noGradients;
        at::Tensor logits = at::mm(normed.detach(), model.lmHead.detach().t()).to(wide);
        result.lossSum +=
            fusedCrossEntropy(logits, targets.narrow(0, begin, count), gradientScale).sum();
        const at::Tensor dLogits = logits.to(hidden.scalar_type());
        if (headGradient.defined()) {
            headGradient.add_(at::mm(dLogits.t(), normed.detach()));
        }
        const at::Tensor dNormed = at::mm(dLogits, model.lmHead.detach());
        torch::autograd::variable_list inputs{x};
        if (normGradient.defined()) {
            inputs.push_back(norm);
        }
        const auto gradients = torch::autograd::grad({normed}, inputs, {dNormed});
        result.hiddenGradient.narrow(0, begin, count).copy_(gradients[0]);
        if (normGradient.defined()) {
            normGradient.add_(gradients[1]);
        }
    }
    return result;
}

} // namespace longlora
