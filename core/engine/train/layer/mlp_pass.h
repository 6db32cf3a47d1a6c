// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/train/layer/layer_pass.h"

namespace longlora {

/// y = residual + down(silu(gate(n)) up(n)), n = norm(x), or down(gelu(up(n))): in tiles of tokens,
/// so that but one tile's intermediate results exist. `gate` and `up` [T, intermediate] are filled
/// where defined. Shapes: x, residual, y [T, hidden]; y may be residual.
void mlpPassForward(const LayerPass& pass, const at::Tensor& x, const at::Tensor& residual,
                    const LayerActivations& kept, at::Tensor& y);

/// `gradient` of y becomes gradient + that of x through norm and MLP: the residual's and the
/// MLP's together where x is the residual. Undefined gate and up are computed again, defined ones
/// used up.
void mlpPassBackward(const LayerPass& pass, const at::Tensor& x, LayerActivations& kept,
                     at::Tensor& gradient);

} // namespace longlora
