// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/training_speed.h"

#include "core/engine/model/random_model.h"
#include "core/engine/train/layer_driver.h"
#include "core/spec/plan/time_planner.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <algorithm>
#include <chrono>

namespace longlora {

namespace {

constexpr std::int64_t kTokens = 512;

ModelConfig probeShape()
{
    ModelConfig config;
    config.architecture = "LlamaForCausalLM";
    config.vocabularySize = 2048;
    config.hiddenSize = 512;
    config.intermediateSize = 1376;
    config.layerCount = 1;
    config.headCount = 8;
    config.kvHeadCount = 8;
    config.headDim = 64;
    config.maxPositionEmbeddings = kTokens;
    config.tiedEmbeddings = true;
    return config;
}

} // namespace

double measureTrainingSpeed(const ComputePlace& place)
{
    using Clock = std::chrono::steady_clock;
    constexpr double kSeconds = 0.4;
    constexpr int kFewestSteps = 3;
    RunConfig config;
    config.attention.kind = AttentionKind::Full;
    config.batch.accumulation = 1;
    config.context.length = kTokens;
    DecoderModel model = randomModel(probeShape(), 1, place);
    TrainableSet trainables(model, config);
    const LayerMemory memory{{RecomputeLevel::None}, 0};
    LayerDriver driver(model, trainables, memory);
    const at::Tensor ids = at::randint(0, model.config.vocabularySize, {1, kTokens},
                                       at::TensorOptions(place.device).dtype(at::kLong));
    const AttentionSpec full;
    const TrainingBatch batch{ids, ids.roll({-1}, {1}),
                              attentionLayout(full, model.config.headCount, 1, kTokens)};
    double best = 0.0;
    const auto start = Clock::now();
    for (int step = 0; step < kFewestSteps ||
                       std::chrono::duration<double>(Clock::now() - start).count() < kSeconds;
         ++step) {
        const auto begin = Clock::now();
        // Reading the sum waits for the device.
        driver.forwardBackward(batch, 1.0 / static_cast<double>(kTokens)).item();
        const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        best = std::max(best, stepFlops(model.config, config, memory) / seconds);
    }
    return best;
}

} // namespace longlora
