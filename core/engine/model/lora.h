// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>

namespace longlora {

class Nf4Matrix;

/// A low-rank update of a frozen matrix: W + scale B A. Source: Hu et al. 2021 (arXiv:2106.09685),
/// eq. 3.
struct LoraPair {
    at::Tensor a;       ///< [rank, in]
    at::Tensor b;       ///< [out, rank]
    double scale = 1.0; ///< alpha / rank, or alpha / sqrt(rank) for rsLoRA
};

/// A linear map, with an optional low-rank update.
struct LoraLinear {
    at::Tensor weight; ///< [out, in]; undefined where it is kept in 4 bits
    at::Tensor bias;   ///< [out]; undefined: none
    std::optional<LoraPair> lora;
    std::shared_ptr<const Nf4Matrix> nf4; ///< instead of weight: model/quantized_linears.h
    /// [out, in + the stack's rank], weight and b as slices of it: model/lora_stack.h. Undefined:
    /// in no stack.
    at::Tensor extended;

    /// Shapes: x [..., in] -> [..., out]. Differentiable.
    at::Tensor forward(const at::Tensor& x) const;
};

} // namespace longlora
