// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"
#include "core/spec/plan/memory_planner.h"

#include <cstdint>
#include <string>

namespace longlora::test {

/// Llama 2 7B.
inline ModelConfig llama2()
{
    ModelConfig model;
    model.architecture = "LlamaForCausalLM";
    model.vocabularySize = 32000;
    model.hiddenSize = 4096;
    model.intermediateSize = 11008;
    model.layerCount = 32;
    model.headCount = 32;
    model.kvHeadCount = 32;
    model.headDim = 128;
    model.maxPositionEmbeddings = 4096;
    return model;
}

/// Llama 2 70B.
inline ModelConfig llama2Large()
{
    ModelConfig model = llama2();
    model.hiddenSize = 8192;
    model.intermediateSize = 28672;
    model.layerCount = 80;
    model.headCount = 64;
    model.kvHeadCount = 8;
    return model;
}

/// The size of the bundled demo.
inline ModelConfig tiny()
{
    ModelConfig model = llama2();
    model.vocabularySize = 1024;
    model.hiddenSize = 128;
    model.intermediateSize = 344;
    model.layerCount = 4;
    model.headCount = 4;
    model.kvHeadCount = 4;
    model.headDim = 32;
    model.maxPositionEmbeddings = 256;
    model.tiedEmbeddings = true;
    return model;
}

inline RunConfig runAt(std::int64_t length)
{
    RunConfig config;
    config.context.length = length;
    config.precision.compute = ComputePrecision::Fp32;
    return config;
}

/// Pythia-1.4b.
inline ModelConfig pythia()
{
    ModelConfig model = llama2();
    model.architecture = "GPTNeoXForCausalLM";
    model.vocabularySize = 50304;
    model.hiddenSize = 2048;
    model.intermediateSize = 8192;
    model.layerCount = 24;
    model.headCount = 16;
    model.kvHeadCount = 16;
    model.norm = NormKind::Layer;
    model.activation = Activation::Gelu;
    model.gatedMlp = false;
    model.fusedQueryKeyValue = true;
    model.queryKeyValueBias = model.attentionOutputBias = model.mlpBias = true;
    model.parallelResidual = true;
    model.rotaryFraction = 0.25;
    return model;
}

/// A processor with so much memory; 0: unknown.
inline DeviceProfile deviceWith(double bytes)
{
    DeviceProfile device;
    device.memoryBytes = bytes;
    return device;
}

inline DeviceProfile gpuWith(double bytes)
{
    DeviceProfile device = deviceWith(bytes);
    device.kind = DeviceKind::Cuda;
    return device;
}

/// Of the plan's item; 0: it has none of that name.
inline double bytesOf(const MemoryPlan& plan, const std::string& name)
{
    for (const PlannedItem& item : plan.items) {
        if (item.name == name) {
            return item.bytes;
        }
    }
    return 0.0;
}

} // namespace longlora::test
