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

at::Tensor normalMatrix(const WeightShape& shape, const ModelConfig& config,
                        at::Generator& generator)
{
    if (shape.sizes.size() == 1) {
        return at::ones(shape.sizes, at::kFloat);
    }
    double deviation = 1.0 / std::sqrt(static_cast<double>(shape.sizes[1]));
    if (shape.name.find("embed_tokens") != std::string::npos) {
        deviation = kEmbeddingDeviation;
    }
    if (shape.name.find("o_proj") != std::string::npos ||
        shape.name.find("down_proj") != std::string::npos) {
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
    const std::vector<WeightShape> shapes = weightShapes(config);
    std::size_t next = 0;
    forEachWeight(model, [&](const std::string&, at::Tensor& weight) {
        weight = normalMatrix(shapes[next++], config, generator).to(place.device, place.dtype);
        if (next == 1 && config.tiedEmbeddings) {
            model.lmHead = weight;
        }
    });
    return model;
}

} // namespace longlora
