// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/model/random_model.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

#include <cmath>

namespace longlora {

namespace {

constexpr double kEmbeddingDeviation = 0.05;

at::Tensor startingTensor(const WeightShape& shape, const ModelConfig& config,
                          at::Generator& generator)
{
    if (shape.sizes.size() == 1) {
        return shape.isBias ? at::zeros(shape.sizes, at::kFloat)
                            : at::ones(shape.sizes, at::kFloat);
    }
    double deviation = 1.0 / std::sqrt(static_cast<double>(shape.sizes[1]));
    if (shape.part == ModelPart::Embedding) {
        deviation = kEmbeddingDeviation;
    }
    if (shape.part == ModelPart::AttentionOutput || shape.part == ModelPart::Down) {
        deviation /= std::sqrt(2.0 * static_cast<double>(config.layerCount));
    }
    return at::empty(shape.sizes, at::kFloat).normal_(0.0, deviation, generator);
}

} // namespace

DecoderModel randomModel(const ModelConfig& config, std::int64_t seed, const ComputePlace& place)
{
    auto generator = at::detail::createCPUGenerator(static_cast<std::uint64_t>(seed));
    DecoderModel model;
    model.config = config;
    model.layers.resize(static_cast<std::size_t>(config.layerCount));
    forEachWeight(model, [&](const WeightShape& shape, at::Tensor& weight) {
        weight = startingTensor(shape, config, generator).to(place.device, place.dtype);
        if (shape.part == ModelPart::Embedding && config.tiedEmbeddings) {
            model.lmHead = weight;
        }
    });
    return model;
}

} // namespace longlora
