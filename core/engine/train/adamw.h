// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/train/trainable_set.h"

namespace longlora {

/// AdamW with bias correction, fused over all tensors of a kind. Source: Loshchilov and Hutter 2019
/// (arXiv:1711.05101), alg. 2. An update with rate 0 still moves the moments.
class AdamW {
public:
    /// `trainables` outlives this; moments are fp32 (fp64) and start at zero.
    AdamW(TrainableSet& trainables, const OptimizerConfig& config);
    /// Updates the masters from their gradients and publishes them.
    void step(double learningRate);

private:
    /// Tensors that share learning-rate ratio and decay: one fused call.
    struct Group {
        double learningRateRatio;
        double weightDecay;
        std::vector<at::Tensor> masters, gradients, firstMoments, secondMoments, steps;
    };
    Group& groupFor(const Trainable& item);
    /// Of rows without gradients: alg. 2 with moments that stay zero.
    void decayOtherRows(double learningRate);

    TrainableSet& m_trainables;
    OptimizerConfig m_config;
    std::vector<Group> m_groups;
};

/// Euclidean norm over all gradients together, fp64.
double gradientNorm(const TrainableSet& trainables);
/// Scales all gradients by min(1, limit / (norm + 1e-6)), as torch's clip_grad_norm_.
void clipGradients(TrainableSet& trainables, double norm, double limit);

} // namespace longlora
