// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/attention_tile.h"
#include "kernels/number_types.h"

namespace longlora::kernels::units {

// attention_tile.h's softmax in bf16 with the instructions that processors with matrix units have
// beside them: 2^x in parts, rounding to bf16 in one step. Only where hasMatrixUnits().

bool softmaxTile(const SoftmaxTile<BFloat16>& args);
void softmaxTileBackward(const SoftmaxTileGradient<BFloat16>& args);

} // namespace longlora::kernels::units
