// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/adamw.h"

#include "core/engine/tensor/kernel_views.h"
#include "kernels/adamw.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>

#include <cassert>
#include <cmath>
#include <utility>

namespace longlora {

AdamW::AdamW(TrainableSet& trainables, const OptimizerConfig& config, std::uint64_t seed)
    : m_trainables(trainables)
    , m_config(config)
    , m_seed(seed)
{
    for (Trainable& item : trainables.items()) {
        if (config.moments != MomentFormat::Fp32 && item.master.scalar_type() == at::kFloat) {
            addRounded(item);
            continue;
        }
        Group& group = groupFor(item);
        group.masters.push_back(item.master.detach());
        group.gradients.push_back(item.gradient);
        group.firstMoments.push_back(at::zeros_like(item.gradient));
        group.secondMoments.push_back(at::zeros_like(item.gradient));
        group.steps.push_back(at::zeros({}, item.master.options().dtype(at::kFloat)));
    }
}

double AdamW::decayOf(const Trainable& item) const
{
    return item.decays ? m_config.weightDecay : 0.0;
}

AdamW::Group& AdamW::groupFor(const Trainable& item)
{
    const double decay = decayOf(item);
    for (Group& group : m_groups) {
        if (group.learningRateRatio == item.learningRateRatio && group.weightDecay == decay) {
            return group;
        }
    }
    m_groups.push_back({item.learningRateRatio, decay, {}, {}, {}, {}, {}});
    return m_groups.back();
}

void AdamW::addRounded(const Trainable& item)
{
    assert(item.master.is_contiguous() && item.gradient.is_contiguous());
    Rounded rounded{item.master.detach(),   item.gradient, {}, {}, {},
                    item.learningRateRatio, decayOf(item)};
    const auto zeros = [&](std::int64_t count, at::ScalarType dtype) {
        return at::zeros({count}, item.master.options().dtype(dtype));
    };
    const std::int64_t count = item.master.numel();
    if (m_config.moments == MomentFormat::EightBit) {
        constexpr std::int64_t kBlockBytes = sizeof(kernels::EightBitMoments);
        rounded.blocks = zeros(kernels::eightBitBlocks(count) * kBlockBytes, at::kByte);
    } else {
        rounded.first = zeros(count, at::kBFloat16);
        rounded.second = zeros(count, at::kBFloat16);
    }
    m_rounded.push_back(std::move(rounded));
}

void AdamW::step(double learningRate)
{
    const c10::NoGradGuard noGradients;
    ++m_steps;
    for (Group& group : m_groups) {
        at::_foreach_add_(group.steps, 1);
        at::_fused_adamw_(group.masters, group.gradients, group.firstMoments, group.secondMoments,
                          {}, group.steps, learningRate * group.learningRateRatio, m_config.beta1,
                          m_config.beta2, group.weightDecay, m_config.epsilon, false, false);
    }
    stepRounded(learningRate);
    decayOtherRows(learningRate);
    m_trainables.publish();
}

void AdamW::stepRounded(double learningRate)
{
    std::uint64_t seed = m_seed;
    for (Rounded& item : m_rounded) {
        const kernels::AdamWRates rates{learningRate * item.learningRateRatio,
                                        m_config.beta1,
                                        m_config.beta2,
                                        m_config.epsilon,
                                        item.weightDecay,
                                        m_steps,
                                        seed};
        seed += std::uint64_t{1} << 40; // far from what the steps add
        auto* weights = item.master.mutable_data_ptr<float>();
        const auto* gradients = item.gradient.const_data_ptr<float>();
        const std::int64_t count = item.master.numel();
        const kernels::Stream stream = kernelStream(item.master);
        if (item.blocks.defined()) {
            kernels::adamW(kernels::AdamWEightBit{
                weights, gradients, static_cast<kernels::EightBitMoments*>(item.blocks.data_ptr()),
                count, rates, stream});
        } else {
            kernels::adamW(kernels::AdamWBFloat16{
                weights, gradients, static_cast<kernels::BFloat16*>(item.first.data_ptr()),
                static_cast<kernels::BFloat16*>(item.second.data_ptr()), count, rates, stream});
        }
    }
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
