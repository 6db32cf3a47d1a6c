// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/tensor_view.h"

#include <cstdint>

namespace longlora::kernels {

/// The target of a row that is not scored (the value of Hugging Face's labels).
inline constexpr std::int64_t kIgnoredTarget = -100;

/// Softmax cross-entropy and its gradient in one visit of the logits:
///
///   loss[r]      = log(sum_v exp(z[r,v])) - z[r,t]                 t = targets[r]
///   dloss/dz[r,v] = scale * (exp(z[r,v]) / sum_w exp(z[r,w]) - [v == t])
///
/// The logits are the largest array of training; written over by their own gradient they need no
/// second one.
///
/// Shapes: logits [rows, vocab], stride 1 in vocab; targets, losses [rows]; all on the device.
/// Any dtype; arithmetic in fp32 (fp64 for fp64), sums of a row in fp64 on the CPU.
/// An ignored row has loss 0 and gradient 0. A target outside [0, vocab) gives a loss of NaN and a
/// gradient of NaN, so that the finite check before the update stops the run.
/// Cost per element of b bytes: 2 b read (the second time from the cache where a row fits there)
/// and b written with gradient, b read without; 2 exponentials, about 35 flops.
struct SoftmaxCrossEntropy {
    TensorView logits;
    const std::int64_t* targets = nullptr;
    double* losses = nullptr;
    double scale = 1.0;   ///< of the gradient: 1 / number of scored tokens for a mean
    bool gradient = true; ///< false: logits are only read
    Stream stream;
};

/// Throws: KernelError if the device cannot run it.
void softmaxCrossEntropy(const SoftmaxCrossEntropy& args);

namespace cuda {
/// The CUDA form, for softmaxCrossEntropy() to call.
void softmaxCrossEntropy(const SoftmaxCrossEntropy& args);
} // namespace cuda

} // namespace longlora::kernels
