// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/train/layer/layer_pass.h"

namespace longlora {

/// q, k, v of norm(hidden) into kept.query, key and value, and attention over them into
/// kept.attention.
void attentionPassForward(const LayerPass& pass, LayerActivations& kept);

/// hidden + o(attention): what the MLP, or a parallel residual, goes on with. Shapes: [T, hidden].
at::Tensor attentionResidual(const LayerPass& pass, const LayerActivations& kept);

/// The gradient of hidden through norm and attention (without the residual), given that of what
/// attentionResidual() returned. Missing activations are computed again; all are used up.
at::Tensor attentionPassBackward(const LayerPass& pass, LayerActivations& kept,
                                 const at::Tensor& gradient);

/// Keys and values of `hidden` [tokens, hidden], which are all tokens of `pass`, as attention takes
/// them: [1, tokens, kv heads, head_dim].
struct KeysAndValues {
    at::Tensor key, value;
};
KeysAndValues keysAndValues(const LayerPass& pass, const at::Tensor& hidden);

} // namespace longlora
