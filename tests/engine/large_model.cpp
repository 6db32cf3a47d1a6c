// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/engine/large_model.h"

#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/safetensors.h"
#include "core/engine/checkpoint/weight_shards.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/config/model_weights.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

#include <algorithm>

namespace longlora::test {

ModelConfig largeModelConfig(std::int64_t layers, std::int64_t hidden)
{
    ModelConfig config;
    config.architecture = "LlamaForCausalLM";
    config.vocabularySize = 32'000;
    config.hiddenSize = hidden;
    config.intermediateSize = hidden * 11 / 4;
    config.layerCount = layers;
    config.headCount = config.kvHeadCount = hidden / 64;
    config.headDim = 64;
    config.maxPositionEmbeddings = 256;
    config.storedDtype = "bfloat16";
    return config;
}

void writeLargeModel(const std::filesystem::path& folder, const ModelConfig& config,
                     at::ScalarType dtype, double maxShardBytes)
{
    std::filesystem::create_directories(folder);
    std::vector<SafetensorsWriter::Announced> announced;
    std::int64_t most = 0;
    for (const WeightShape& shape : weightShapes(config)) {
        announced.push_back({shape.name, dtype, shape.sizes});
        most = std::max(most, shape.count());
    }
    const at::Tensor numbers = (at::randn({most}) * 0.02).to(dtype);
    const auto shards = shardWeights(announced, maxShardBytes);
    for (const WeightShard& shard : shards) {
        SafetensorsWriter writer(folder / shard.file, shard.tensors, {{"format", "pt"}});
        for (const auto& tensor : shard.tensors) {
            std::int64_t count = 1;
            for (const std::int64_t size : tensor.sizes) {
                count *= size;
            }
            writer.write(tensor.name, numbers.narrow(0, 0, count).reshape(tensor.sizes));
        }
        writer.finish();
    }
    if (shards.size() > 1) {
        writeFileAtomically(folder / kWeightIndexFile, weightIndexJson(shards));
    }
    writeFileAtomically(folder / "config.json", modelConfigJson(config));
}

void writeLargeAdapter(const std::filesystem::path& folder, const ModelConfig& config)
{
    constexpr std::int64_t kRank = 8;
    std::map<std::string, LoraPair> pairs;
    std::map<std::string, at::Tensor> replaced;
    for (const WeightShape& shape : weightShapes(config)) {
        const bool isAttention = shape.name.find("self_attn") != std::string::npos;
        if (isAttention) {
            pairs[shape.module()] = {at::randn({kRank, shape.sizes[1]}) * 0.01,
                                     at::randn({shape.sizes[0], kRank}) * 0.01, 2.0};
        } else if (shape.part == ModelPart::Embedding || shape.sizes.size() == 1) {
            replaced[shape.name] = at::randn(shape.sizes) * 0.02;
        }
    }
    AdapterDescription description;
    description.lora.rank = kRank;
    description.lora.alpha = 16.0;
    writeAdapter(folder, description, pairs, replaced);
}

} // namespace longlora::test
