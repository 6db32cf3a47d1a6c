// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/model/forward.h"

#include "core/engine/attention/segmented_attention.h"
#include "core/engine/tensor/kernel_bridge.h"
#include "core/engine/train/chunked_loss.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>

namespace longlora {

at::Tensor forwardHidden(const DecoderModel& model, const at::Tensor& ids,
                         const AttentionSpec& attention)
{
    const c10::NoGradGuard noGradients;
    const ModelConfig& config = model.config;
    AttentionSpec spec = attention;
    spec.window = config.slidingWindow;
    const AttentionLayout layout =
        attentionLayout(spec, config.headCount, ids.size(0), ids.size(1));
    const RotaryTable rotary = rotaryTable(config.rope, config.rotaryDim(), 0, ids.size(1),
                                           ids.size(1), model.device(), model.dtype());
    const Attend attend = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
        return segmentedAttention(q, k, v, layout);
    };
    at::Tensor hidden = embed(model, ids);
    for (const DecoderLayer& layer : model.layers) {
        hidden = layerForward(layer, config, hidden, rotary, attend);
    }
    return hidden;
}

at::Tensor forwardLogits(const DecoderModel& model, const at::Tensor& ids,
                         const AttentionSpec& attention)
{
    const c10::NoGradGuard noGradients;
    const at::Tensor logits = headForward(model, forwardHidden(model, ids, attention));
    return logits.to(model.dtype() == at::kDouble ? at::kDouble : at::kFloat);
}

at::Tensor tokenLosses(const DecoderModel& model, const at::Tensor& hidden,
                       const at::Tensor& targets)
{
    const c10::NoGradGuard noGradients;
    std::vector<at::Tensor> losses;
    for (std::int64_t begin = 0; begin < hidden.size(0); begin += kLossChunkTokens) {
        const std::int64_t count = std::min(kLossChunkTokens, hidden.size(0) - begin);
        at::Tensor logits = headForward(model, hidden.narrow(0, begin, count));
        losses.push_back(fusedCrossEntropy(logits, targets.narrow(0, begin, count), 0.0));
    }
    return losses.empty() ? at::empty({0}, hidden.options().dtype(at::kDouble)) : at::cat(losses);
}

} // namespace longlora
