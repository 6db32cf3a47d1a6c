// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/tensor_view.h"

#include <cstdint>

namespace longlora::kernels {

/// The gradient of an embedding: each token's adds to the row that it was looked up from,
///
///   dE[row[t],c] += dY[t,c]
///
/// Shapes: dY [tokens, columns], stride 1 in columns; sum, which is dE, [rows, columns], fp32 (fp64
/// for fp64), stride 1 in columns. rowOf [tokens]: each token's row of sum. order [tokens]: all
/// tokens by ascending row, those of one row by ascending token; so a row's sum has one order,
/// whatever the device and its threads.
/// Cost per element of b bytes: b read, and for each row that is met 4 (8) bytes read and written a
/// column; 1 flop.
struct EmbeddingGradient {
    ConstTensorView dY;
    const std::int64_t* rowOf = nullptr;
    const std::int64_t* order = nullptr;
    TensorView sum;
    Stream stream;
};

/// Throws: KernelError if the device cannot run it.
void embeddingGradient(const EmbeddingGradient& args);

namespace cuda {
/// The CUDA form, for the function above to call.
void embeddingGradient(const EmbeddingGradient& args);
} // namespace cuda

} // namespace longlora::kernels
