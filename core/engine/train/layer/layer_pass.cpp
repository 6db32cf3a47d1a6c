// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/layer/layer_pass.h"

#include "core/engine/train/layer/attention_pass.h"
#include "core/engine/train/layer/mlp_pass.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

namespace longlora {

namespace {

/// What is not kept at `level` goes as soon as it was used.
void dropAttention(LayerActivations& kept, RecomputeLevel level)
{
    if (level >= RecomputeLevel::Qkv) {
        kept.query.reset();
        kept.key.reset();
        kept.value.reset();
    }
    if (level >= RecomputeLevel::Full) {
        kept.attention = {};
    }
}

at::Tensor forwardMlp(const LayerPass& pass, const at::Tensor& input, at::Tensor& sum,
                      RecomputeLevel level, LayerActivations& kept)
{
    if (level == RecomputeLevel::None) {
        const auto whole = [&] {
            return at::empty({pass.tokens(), pass.config.intermediateSize}, input.options());
        };
        kept.gate = pass.config.gatedMlp ? whole() : at::Tensor();
        kept.up = whole();
    }
    at::Tensor output = kept.middle.defined() ? at::empty_like(sum) : sum;
    mlpPassForward(pass, input, sum, kept, output);
    return output;
}

} // namespace

at::Tensor layerPassForward(const LayerPass& pass, const at::Tensor& hidden, RecomputeLevel level,
                            LayerActivations& kept)
{
    kept.hidden = hidden;
    attentionPassForward(pass, kept);
    at::Tensor sum = attentionResidual(pass, kept);
    dropAttention(kept, level);
    if (pass.config.parallelResidual) {
        return forwardMlp(pass, hidden, sum, level, kept);
    }
    if (level < RecomputeLevel::Output) {
        kept.middle = sum;
    }
    return forwardMlp(pass, sum, sum, level, kept);
}

void layerPassBackward(const LayerPass& pass, LayerActivations& kept, at::Tensor& gradient)
{
    if (pass.config.parallelResidual) {
        const at::Tensor throughAttention = attentionPassBackward(pass, kept, gradient);
        mlpPassBackward(pass, kept.hidden, kept, gradient);
        gradient.add_(throughAttention);
    } else {
        if (!kept.middle.defined()) {
            if (!kept.attention.out.defined()) {
                attentionPassForward(pass, kept);
            }
            kept.middle = attentionResidual(pass, kept);
        }
        mlpPassBackward(pass, kept.middle, kept, gradient);
        kept.middle.reset();
        gradient.add_(attentionPassBackward(pass, kept, gradient));
    }
    kept.hidden.reset();
}

} // namespace longlora
