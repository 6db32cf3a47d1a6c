// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/adamw.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>

#include <cmath>

namespace longlora {

AdamW::AdamW(TrainableSet& trainables, const OptimizerConfig& config)
    : m_trainables(trainables)
    , m_config(config)
{
    for (Trainable& item : trainables.items()) {
        Group& group = groupFor(item);
        group.masters.push_back(item.master.detach());
        group.gradients.push_back(item.gradient);
        group.firstMoments.push_back(at::zeros_like(item.gradient));
        group.secondMoments.push_back(at::zeros_like(item.gradient));
        group.steps.push_back(at::zeros({}, item.master.options().dtype(at::kFloat)));
    }
}

AdamW::Group& AdamW::groupFor(const Trainable& item)
{
    const double decay = item.decays ? m_config.weightDecay : 0.0;
    for (Group& group : m_groups) {
        if (group.learningRateRatio == item.learningRateRatio && group.weightDecay == decay) {
            return group;
        }
    }
    m_groups.push_back({item.learningRateRatio, decay, {}, {}, {}, {}, {}});
    return m_groups.back();
}

void AdamW::step(double learningRate)
{
    const c10::NoGradGuard noGradients;
    for (Group& group : m_groups) {
        at::_foreach_add_(group.steps, 1);
        at::_fused_adamw_(group.masters, group.gradients, group.firstMoments, group.secondMoments,
                          {}, group.steps, learningRate * group.learningRateRatio, m_config.beta1,
                          m_config.beta2, group.weightDecay, m_config.epsilon, false, false);
    }
    decayOtherRows(learningRate);
    m_trainables.publish();
}

void AdamW::decayOtherRows(double learningRate)
{
    for (Trainable& item : m_trainables.items()) {
        if (item.rows.defined() && item.decays) {
            item.otherRowsFactor *=
                1.0 - learningRate * item.learningRateRatio * m_config.weightDecay;
        }
    }
}

double gradientNorm(const TrainableSet& trainables)
{
    std::vector<at::Tensor> gradients;
    for (const Trainable& item : trainables.items()) {
        gradients.push_back(item.gradient);
    }
    const at::Tensor norms = at::stack(at::_foreach_norm(gradients)).to(at::kDouble);
    return norms.square().sum().sqrt().item<double>();
}

void clipGradients(TrainableSet& trainables, double norm, double limit)
{
    const double scale = limit / (norm + 1e-6);
    if (limit <= 0.0 || scale >= 1.0) {
        return;
    }
    for (Trainable& item : trainables.items()) {
        item.gradient.mul_(scale);
    }
}

} // namespace longlora
