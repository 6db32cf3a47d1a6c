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

Llama randomModel(const ModelConfig& config, std::int64_t seed, const ComputePlace& place)
{
    auto generator = at::detail::createCPUGenerator(static_cast<std::uint64_t>(seed));
    Llama model;
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

void startWithPreviousTokenHead(Llama& model)
{
    // After the norm the constant is about kConstant; four fast frequencies make the peak sharp.
    constexpr double kConstant = 3.0;
    constexpr double kAmplitude = 1.5;
    constexpr std::int64_t kFrequencies = 4;
    const ModelConfig& config = model.config;
    const RopeFrequencies frequencies = ropeFrequencies(config.rope, config.headDim, 1);
    const std::int64_t half = config.headDim / 2;
    LlamaLayer& first = model.layers.front();
    model.embedTokens.select(1, 0).fill_(kConstant * kEmbeddingDeviation);
    first.q.weight.narrow(0, 0, config.headDim).mul_(0.1);
    first.k.weight.narrow(0, 0, config.headDim).mul_(0.1);
    for (std::int64_t f = 0; f < std::min(kFrequencies, half); ++f) {
        const double angle = frequencies.inverse[static_cast<std::size_t>(f)];
        first.q.weight[f][0] = kAmplitude * std::cos(angle);
        first.q.weight[f + half][0] = -kAmplitude * std::sin(angle);
        first.k.weight[f][0] = kAmplitude;
        first.k.weight[f + half][0] = 0.0;
    }
}

} // namespace longlora
