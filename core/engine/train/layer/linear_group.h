// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/model/decoder_model.h"
#include "core/engine/tensor/rows_with_room.h"

#include <vector>

namespace longlora {

/// Linear maps of one input, with what their low-rank updates share.
struct LinearGroup {
    std::vector<const LoraLinear*> maps;
    const LoraStack& lora;
};

/// q, k and v, or the map that is all three.
LinearGroup attentionInputs(const DecoderLayer& layer, const ModelConfig& config);
/// up, and gate where the MLP has one.
LinearGroup mlpInputs(const DecoderLayer& layer, const ModelConfig& config);

/// y_i = x W_i^T + bias_i + scale (x A_i^T) B_i^T, without autograd. Where x has room for the
/// stack's rank, that is one product for each y_i; the room is written to.
/// Shapes: x [tokens, in]; ys one [tokens, out_i] for each map, undefined: not asked for.
void linearGroupForward(const LinearGroup& group, const RowsWithRoom& x,
                        const std::vector<at::Tensor>& ys);

/// The gradient of x, written, and those of what is trained, added: linearBackward's for all maps.
/// `gradients` has the group's shape. Shapes: x [tokens, in], undefined where nothing reads it; dYs
/// one [tokens, out_i] for each map. `last` is the last of them with room for the stack's rank,
/// which is written to; without room: no matter.
struct LinearGroupBackward {
    const LinearGroup& group;
    const LinearGroup& gradients;
    at::Tensor x;
    const std::vector<at::Tensor>& dYs;
    RowsWithRoom last;
};
void linearGroupBackward(const LinearGroupBackward& pass, at::Tensor& dX);

} // namespace longlora
