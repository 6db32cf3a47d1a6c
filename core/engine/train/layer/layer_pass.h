// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/attention/segmented_attention.h"
#include "core/engine/model/decoder_model.h"
#include "core/spec/config/run_config.h"

namespace longlora {

/// What a tile of a row's tokens shares with those beside it. Keys and values, and their gradients,
/// are as attention takes them: [1, tokens, kv heads, head_dim].
struct TileEdges {
    std::int64_t halo = 0; ///< tokens before the tile that it sees
    at::Tensor haloKey, haloValue;
    at::Tensor haloKeyGradient, haloValueGradient; ///< backward leaves here what the tile adds
    /// What the tile behind adds to this one's last tokens; undefined: nothing.
    at::Tensor lastKeyGradient, lastValueGradient;
};

/// One decoder layer in one forward and backward pass, written by hand: no autograd, so that what
/// is kept, what is computed again and what lives at the same time are all decided here. T = batch
/// x seq tokens.
struct LayerPass {
    const DecoderLayer& layer;
    const DecoderLayer& gradients; ///< same shape; undefined tensors are not trained
    const ModelConfig& config;
    const RotaryTable& rotary;
    const AttentionLayout& layout;
    std::int64_t mlpTile = 0; ///< tokens that the MLP works on at a time; 0: all
    /// Undefined unless the pass is one tile of a row. Then `layout` has the halo in front, and
    /// everything else is of the tile alone.
    TileEdges* edges = nullptr;

    std::int64_t halo() const { return edges != nullptr ? edges->halo : 0; }
    std::int64_t tokens() const { return layout.batch * (layout.length - halo()); }
};

/// What a layer's forward leaves for its backward. Undefined: computed again. What is kept at each
/// level stands at the level (RecomputeLevel).
struct LayerActivations {
    at::Tensor hidden; ///< [T, hidden], the layer's input: always there
    /// q, k and v [batch, seq, heads, head_dim] as they enter attention; before their norm and
    /// rotation where the model has norms of q and k, which need that.
    at::Tensor query, key, value;
    SegmentedAttention attention;
    at::Tensor middle;   ///< [T, hidden] between attention and MLP
    at::Tensor gate, up; ///< [T, intermediate]
};

/// Shapes: hidden [T, hidden] -> the same. `kept` gets what `level` says, `hidden` among it.
at::Tensor layerPassForward(const LayerPass& pass, const at::Tensor& hidden, RecomputeLevel level,
                            LayerActivations& kept);
/// `gradient` of the layer's output becomes that of its input; those of what is trained are added.
/// Uses up `kept`.
void layerPassBackward(const LayerPass& pass, LayerActivations& kept, at::Tensor& gradient);

} // namespace longlora
