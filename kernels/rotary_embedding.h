// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/tensor_view.h"

namespace longlora::kernels {

/// Rotary position embedding in place, Hugging Face's layout: the pair (i, i + D/2) of a head is
/// turned by the angle of its position s.
///
///   x'[i]       = x[i] cos[s,i] - x[i + D/2] sin[s,i]
///   x'[i + D/2] = x[i + D/2] cos[s,i] + x[i] sin[s,i]
///
/// The backward pass turns the gradient by the negative angle. (A factor in cos and sin, as YaRN
/// has, stays: the transpose of the map is the same map with sin negated.)
///
/// Shapes: x [batch, seq, heads, D], D even, stride 1 in D, anything elsewhere (a slice of a fused
/// projection will do); cos, sin [seq, D/2], stride 1 in D/2, fp32 (fp64 where x is fp64).
/// To rotate a part of each head, pass a view of that part.
/// Cost per element of b bytes: b read, b written, 3 flops; the table is read once per token.
/// Source: Su et al. 2021 (arXiv:2104.09864), eq. 34.
struct RotaryEmbedding {
    TensorView x;
    ConstTensorView cos;
    ConstTensorView sin;
    Stream stream;
};

/// Throws: KernelError if the device cannot run it.
void rotaryEmbeddingForward(const RotaryEmbedding& args);

/// `x` is the gradient of the rotated tensor and becomes that of the tensor before.
/// Throws: KernelError if the device cannot run it.
void rotaryEmbeddingBackward(const RotaryEmbedding& args);

namespace cuda {
/// The CUDA form of both, for them to call. `sign` multiplies the angle: 1 or -1.
void rotate(const RotaryEmbedding& args, int sign);
} // namespace cuda

} // namespace longlora::kernels
