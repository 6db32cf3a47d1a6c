// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/model/induction_heads.h"

#include "core/spec/config/rope_scaling.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace longlora {

namespace {

constexpr double kEmbeddingDeviation = 0.1;
constexpr double kOtherWriters = 0.25;
/// Of embedding dimension 0, the same for all tokens; in standard deviations of the others.
constexpr double kConstant = 3.0;
constexpr std::int64_t kCopyingHeads = 2;

/// The constant becomes phases one token apart; four fast frequencies make the peak sharp.
void attendToPreviousToken(DecoderLayer& layer, const ModelConfig& config)
{
    constexpr double kAmplitude = 1.5;
    constexpr std::int64_t kFrequencies = 4;
    const RopeFrequencies frequencies = ropeFrequencies(config.rope, config.headDim, 1);
    const std::int64_t half = config.headDim / 2;
    layer.q.weight.narrow(0, 0, config.headDim).mul_(0.1);
    layer.k.weight.narrow(0, 0, config.headDim).mul_(0.1);
    for (std::int64_t f = 0; f < std::min(kFrequencies, half); ++f) {
        const double angle = frequencies.inverse[static_cast<std::size_t>(f)];
        layer.q.weight[f][0] = kAmplitude * std::cos(angle);
        layer.q.weight[f + half][0] = -kAmplitude * std::sin(angle);
        layer.k.weight[f][0] = kAmplitude;
        layer.k.weight[f + half][0] = 0.0;
    }
}

/// Rows or columns of length one, blind to the constant.
at::Tensor unitRows(const at::Tensor& rows)
{
    rows.select(1, 0).zero_();
    return rows.div_(rows.norm(2, {1}, true));
}

/// `reads` sees the current token [headDim, hidden], `finds` the one before each position; half of
/// their rows serve each head, where rotation is slow enough to leave a match a match.
void matchAndCopy(DecoderLayer& layer, std::int64_t head, const at::Tensor& reads,
                  const at::Tensor& finds, std::int64_t headDim)
{
    const double sharpness = std::sqrt(8.0);
    constexpr double kSaid = 3.0 * kEmbeddingDeviation;
    const std::int64_t begin = head * headDim;
    const std::int64_t quarter = headDim / 4;
    at::Tensor q = layer.q.weight.narrow(0, begin, headDim).zero_();
    at::Tensor k = layer.k.weight.narrow(0, begin, headDim).zero_();
    // Pairs are (f, f + headDim/2), fast to slow.
    for (std::int64_t part = 0; part < 2; ++part) {
        const std::int64_t slow = part * 2 * quarter + quarter;
        const std::int64_t from = ((head * 2 + part) * quarter) % headDim;
        q.narrow(0, slow, quarter).copy_(reads.narrow(0, from, quarter) * sharpness);
        k.narrow(0, slow, quarter).copy_(finds.narrow(0, from, quarter) * sharpness);
    }
    const at::Tensor copies = unitRows(layer.v.weight.narrow(0, begin, headDim));
    layer.o.weight.narrow(1, begin, headDim).copy_(copies.t() * kSaid);
}

} // namespace

void startWithInductionHeads(DecoderModel& model)
{
    const ModelConfig& config = model.config;
    assert(config.layerCount >= 2 && config.kvHeadCount == config.headCount);
    model.embedTokens.mul_(kEmbeddingDeviation / model.embedTokens.std());
    model.embedTokens.select(1, 0).fill_(kConstant * kEmbeddingDeviation);
    for (DecoderLayer& layer : model.layers) {
        layer.o.weight.mul_(kOtherWriters);
        layer.down.weight.mul_(kOtherWriters);
    }
    DecoderLayer& first = model.layers[0];
    attendToPreviousToken(first, config);
    const at::Tensor reads = unitRows(first.v.weight.narrow(0, 0, config.headDim));
    const at::Tensor finds = unitRows(first.o.weight.narrow(1, 0, config.headDim).t().clone());
    first.o.weight.narrow(1, 0, config.headDim).copy_(finds.t() * (2.0 * kEmbeddingDeviation));
    for (std::int64_t head = 0; head < std::min(kCopyingHeads, config.headCount); ++head) {
        matchAndCopy(model.layers[1], head, reads, finds * 0.5, config.headDim);
    }
}

} // namespace longlora
