// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/weight_shards.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace longlora {

std::vector<WeightShard> shardWeights(const std::vector<SafetensorsWriter::Announced>& tensors,
                                      double maxBytes)
{
    std::vector<WeightShard> shards;
    WeightShard current;
    double currentBytes = 0.0;
    for (const auto& tensor : tensors) {
        const auto bytes = static_cast<double>(safetensorsBytes(tensor));
        if (bytes > maxBytes) {
            shards.push_back({{}, {tensor}}); // the current one goes on after it
            continue;
        }
        if (currentBytes + bytes > maxBytes) {
            shards.push_back(std::move(current));
            current = {};
            currentBytes = 0.0;
        }
        current.tensors.push_back(tensor);
        currentBytes += bytes;
    }
    if (!current.tensors.empty()) {
        shards.push_back(std::move(current));
    }
    for (std::size_t i = 0; i < shards.size(); ++i) {
        shards[i].file = shards.size() == 1 ? std::string(kSingleWeightFile)
                                            : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1,
                                                          shards.size());
    }
    return shards;
}

std::string weightIndexJson(const std::vector<WeightShard>& shards)
{
    std::uint64_t totalBytes = 0;
    nlohmann::json files = nlohmann::json::object(); // sorted by name, as transformers writes it
    for (const WeightShard& shard : shards) {
        for (const auto& tensor : shard.tensors) {
            totalBytes += safetensorsBytes(tensor);
            files[tensor.name] = shard.file;
        }
    }
    const nlohmann::json index = {{"metadata", {{"total_size", totalBytes}}},
                                  {"weight_map", std::move(files)}};
    return index.dump(2) + "\n";
}

} // namespace longlora
