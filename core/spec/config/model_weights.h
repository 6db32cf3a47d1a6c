// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_family.h"

#include <cstdint>
#include <string>
#include <vector>

namespace longlora {

/// One tensor of a model: its Hugging Face name, the shape the config demands, and what it is.
struct WeightShape {
    std::string name; ///< "model.layers.0.self_attn.q_proj.weight"
    std::vector<std::int64_t> sizes;
    ModelPart part = ModelPart::Embedding;
    std::int64_t layer = -1; ///< -1: embedding, final norm, head
    bool isBias = false;

    std::int64_t count() const; ///< numbers in it
    std::string module() const; ///< "model.layers.0.self_attn.q_proj"
};

/// The one table of names and shapes: every weight of the model, embedding first, layers in order,
/// final norm, head (only where it is not tied).
std::vector<WeightShape> weightShapes(const ModelConfig& config);
/// Those of one layer.
std::vector<WeightShape> layerWeightShapes(const ModelConfig& config, std::int64_t layer);

/// "model.norm.weight" for ModelPart::FinalNorm; for parts of layers that of `layer`.
std::string weightName(const ModelConfig& config, ModelPart part, std::int64_t layer = -1);

/// What LoRA can update in a layer, by ModelFamily::loraName, in order; only attention's: what
/// LongLoRA trains.
std::vector<std::string> loraTargets(const ModelConfig& config, bool onlyAttention = false);
/// The names of all families, each once.
std::vector<std::string> knownLoraTargets();

} // namespace longlora
