// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/train/trainable_set.h"

#include <cstdint>

namespace longlora {

/// AdamW with bias correction, fused over all tensors of a kind. Source: Loshchilov and Hutter 2019
/// (arXiv:1711.05101), alg. 2. An update with rate 0 still moves the moments.
class AdamW {
public:
    /// `trainables` outlives this. Moments start at zero, in config.moments (fp64 for fp64
    /// masters); `seed` is of their random rounding.
    AdamW(TrainableSet& trainables, const OptimizerConfig& config, std::uint64_t seed);
    /// Updates the masters from their gradients and publishes them.
    void step(double learningRate);

private:
    /// Tensors that share learning-rate ratio and decay: one fused call.
    struct Group {
        double learningRateRatio;
        double weightDecay;
        std::vector<at::Tensor> masters, gradients, firstMoments, secondMoments, steps;
    };
    /// A tensor whose moments are rounded: kernels/adamw.h.
    struct Rounded {
        at::Tensor master, gradient;
        at::Tensor first, second; ///< in 16 bits
        at::Tensor blocks;        ///< both in 8 bits, as bytes
        double learningRateRatio;
        double weightDecay;
    };
    Group& groupFor(const Trainable& item);
    void addRounded(const Trainable& item);
    double decayOf(const Trainable& item) const;
    void stepRounded(double learningRate);
    /// Of rows without gradients: alg. 2 with moments that stay zero.
    void decayOtherRows(double learningRate);

    TrainableSet& m_trainables;
    OptimizerConfig m_config;
    std::uint64_t m_seed;
    std::int64_t m_steps = 0;
    std::vector<Group> m_groups;
    std::vector<Rounded> m_rounded;
};

/// Euclidean norm over all gradients together, fp64.
double gradientNorm(const TrainableSet& trainables);
/// Scales all gradients by min(1, limit / (norm + 1e-6)), as torch's clip_grad_norm_.
void clipGradients(TrainableSet& trainables, double norm, double limit);

} // namespace longlora
