// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/chunked_loss.h"

#include "core/engine/tensor/kernel_bridge.h"
#include "core/engine/tensor/matrix_product.h"
#include "core/engine/train/layer/norm_pass.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

#include <algorithm>

namespace longlora {

ChunkedLoss chunkedLossAndGradient(const DecoderModel& model, const at::Tensor& hidden,
                                   const at::Tensor& targets, double gradientScale,
                                   const DecoderModel& gradients)
{
    ChunkedLoss result{at::zeros({}, hidden.options().dtype(at::kDouble)),
                       at::empty(hidden.sizes(), hidden.options())};
    for (std::int64_t begin = 0; begin < hidden.size(0); begin += kLossChunkTokens) {
        const std::int64_t count = std::min(kLossChunkTokens, hidden.size(0) - begin);
        const at::Tensor x = hidden.narrow(0, begin, count);
        const NormPass normed = normPassForward(model.finalNorm, model.config, x, 0);
        at::Tensor logits = multiplied({normed.y.rows, model.lmHead.t()});
        result.lossSum +=
            fusedCrossEntropy(logits, targets.narrow(0, begin, count), gradientScale).sum();
        const at::Tensor& dLogits = logits; // in its place
        if (gradients.lmHead.defined()) {
            gradients.lmHead.add_(at::mm(dLogits.t(), normed.y.rows));
        }
        at::Tensor dHidden = result.hiddenGradient.narrow(0, begin, count);
        multiplyInto(dHidden, {dLogits, model.lmHead});
        normPassBackward(model.finalNorm, gradients.finalNorm, x, normed, dHidden);
    }
    return result;
}

} // namespace longlora
