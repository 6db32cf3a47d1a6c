// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace longlora {

struct LoraLinear;

/// The low-rank updates of linear maps of one input, in one matrix with their weights, so that an
/// update is columns of the product instead of a pass of its own over its result ("K-extension"):
///
///     [ W_1  B_1   0  ]        h = scale x A^T       y_i = [x | h] [W_i | B_i]^T
///     [ W_2   0   B_2 ]
///     [ A_1   0    0  ]        dH = scale dY B       dX = dY_1 W_1 + [dY_2 | dH] [W_2 ; A]
///     [ A_2   0    0  ]
///
/// A is one matrix for all maps: x is read once for h and once for dA. The last map's dY takes dH.
/// Source: Hu et al. 2021 (arXiv:2106.09685), eq. 3.
struct LoraStack {
    at::Tensor a;         ///< [rank, in], every map's A in turn; undefined: no map has an update
    at::Tensor lastWithA; ///< [out of the last map + rank, in], its rows and those of a; undefined:
                          ///< the weights are kept elsewhere (in 4 bits), only A is one matrix
    double scale = 1.0;   ///< of every map

    std::int64_t rank() const { return a.defined() ? a.size(0) : 0; }
    bool hasMatrix() const { return lastWithA.defined(); }
};

/// Moves the maps' weights and pairs into one stack, and leaves slices of it in their place. Maps
/// of gradients, which have pairs alone, get a common A.
LoraStack stackLora(const std::vector<LoraLinear*>& maps);

} // namespace longlora
