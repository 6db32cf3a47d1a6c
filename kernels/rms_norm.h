// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/tensor_view.h"

namespace longlora::kernels {

/// Root mean square normalisation of rows:
///
///   y[r,c] = x[r,c] rho[r] w[c],   rho[r] = 1 / sqrt(mean_c x[r,c]^2 + epsilon)
///
/// Shapes: x, y [rows, columns], weight [columns], one dtype, stride 1 in columns; y may be x.
/// inverseRms [rows], fp32 (fp64 for fp64): rho, which backward needs; no data: not written.
/// Arithmetic in fp32 (fp64), one rounding at the end. (Hugging Face rounds x rho to bf16 before
/// the multiplication by w, and so may differ by one unit in the last place.)
/// Cost per element of b bytes: b read (twice, once from the cache), b written, 4 flops.
/// Source: Zhang and Sennrich 2019 (arXiv:1910.07467), eq. 4.
struct RmsNormForward {
    ConstTensorView x;
    ConstTensorView weight;
    TensorView y;
    TensorView inverseRms;
    double epsilon = 1e-5;
    Stream stream;
};

/// Throws: KernelError if the device cannot run it.
void rmsNormForward(const RmsNormForward& args);

/// Its gradients:
///
///   dX[r,c] = rho (dY[r,c] w[c] - x[r,c] rho^2 m[r]),   m[r] = mean_c dY[r,c] w[c] x[r,c]
///   dW[c]  += sum_r dY[r,c] x[r,c] rho[r]
///
/// Shapes: dY, dX like x; dX may be dY. dWeight [columns], fp32 (fp64 for fp64), is added to, so
/// that tiles and micro-batches sum up; no data: the norm is frozen. The order of the sum does not
/// depend on the number of threads.
/// Cost per element: 2 b read (twice, once from the cache), b written, 8 flops; 3 more for dW.
struct RmsNormBackward {
    ConstTensorView x;
    ConstTensorView weight;
    ConstTensorView inverseRms;
    ConstTensorView dY;
    TensorView dX;
    TensorView dWeight;
    Stream stream;
};

/// Throws: KernelError if the device cannot run it.
void rmsNormBackward(const RmsNormBackward& args);

namespace cuda {
/// The CUDA forms, for the functions above to call.
void rmsNormForward(const RmsNormForward& args);
void rmsNormBackward(const RmsNormBackward& args);
} // namespace cuda

} // namespace longlora::kernels
