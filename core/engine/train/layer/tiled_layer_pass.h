// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/train/layer/layer_pass.h"

#include <cstdint>

namespace longlora {

/// A layer on tiles of `tile` tokens of a row at a time, so that beside input and output but one
/// tile's projections and attention exist. S2-Attn is causal, and a group reaches over a tile's
/// begin by half of itself: a tile needs keys and values of that many tokens before it, which are
/// computed again, and hands their gradient to the tile before it, which comes next in the backward
/// pass. Nothing but the input is kept (RecomputeLevel::Full).
/// canTile(pass.layout, tile) must hold. Shapes: as of layerPassForward and layerPassBackward; the
/// results are theirs up to rounding.
at::Tensor tiledLayerForward(const LayerPass& pass, std::int64_t tile, const at::Tensor& hidden,
                             LayerActivations& kept);
void tiledLayerBackward(const LayerPass& pass, std::int64_t tile, LayerActivations& kept,
                        at::Tensor& gradient);

} // namespace longlora
