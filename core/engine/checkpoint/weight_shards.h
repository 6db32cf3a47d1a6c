// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/safetensors.h"

#include <string>
#include <vector>

namespace longlora {

/// Hugging Face's names of the weights of a model.
constexpr const char* kSingleWeightFile = "model.safetensors";
constexpr const char* kWeightIndexFile = "model.safetensors.index.json";

/// One weight file and what stands in it, in the order of the file.
struct WeightShard {
    std::string file;
    std::vector<SafetensorsWriter::Announced> tensors;
};

/// Divides weights among files as transformers does: in their order, a new file where the next
/// tensor would exceed `maxBytes`, a tensor above that in a file of its own. One file if all fit.
std::vector<WeightShard> shardWeights(const std::vector<SafetensorsWriter::Announced>& tensors,
                                      double maxBytes);

/// The text of model.safetensors.index.json: which tensor stands in which file, total_size.
std::string weightIndexJson(const std::vector<WeightShard>& shards);

} // namespace longlora
