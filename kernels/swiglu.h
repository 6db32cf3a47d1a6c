// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/tensor_view.h"

namespace longlora::kernels {

/// The gated activation of the MLP:
///
///   y = silu(gate) up,   silu(g) = g sigma(g),   sigma(g) = 1 / (1 + exp(-g))
///
/// Shapes: gate, up, y [rows, columns], one dtype, stride 1 in columns (halves of a fused
/// projection will do); y may be gate or up.
/// Arithmetic in fp32 (fp64 for fp64), one rounding at the end.
/// Cost per element of b bytes: 2 b read, b written, 1 exponential and 4 flops (about 20 in all).
/// Source: Shazeer 2020 (arXiv:2002.05202), eq. 6.
struct SwigluForward {
    ConstTensorView gate;
    ConstTensorView up;
    TensorView y;
    Stream stream;
};

/// Throws: KernelError if the device cannot run it.
void swigluForward(const SwigluForward& args);

/// Its gradients:
///
///   dGate = dY up sigma(gate) (1 + gate (1 - sigma(gate))),   dUp = dY silu(gate)
///
/// Shapes: all like gate; dGate and dUp may be any of the three inputs, but not each other.
/// Cost per element: 3 b read, 2 b written, 1 exponential and 9 flops.
struct SwigluBackward {
    ConstTensorView gate;
    ConstTensorView up;
    ConstTensorView dY;
    TensorView dGate;
    TensorView dUp;
    Stream stream;
};

/// Throws: KernelError if the device cannot run it.
void swigluBackward(const SwigluBackward& args);

namespace cuda {
/// The CUDA forms, for the functions above to call.
void swigluForward(const SwigluForward& args);
void swigluBackward(const SwigluBackward& args);
} // namespace cuda

} // namespace longlora::kernels
