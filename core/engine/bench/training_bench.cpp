// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/bench/training_bench.h"

#include "core/engine/model/quantized_linears.h"
#include "core/engine/model/random_model.h"
#include "core/engine/tensor/place_profile.h"
#include "core/engine/train/trainer.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/plan/time_planner.h"

#include <algorithm>
#include <random>
#include <vector>

namespace longlora {

namespace {

/// Rows of random tokens, as many as a step reads.
std::vector<TrainingRow> randomRows(const ModelConfig& shape, const RunConfig& config)
{
    std::mt19937_64 random(1);
    std::uniform_int_distribution<TokenId> token(0, static_cast<TokenId>(shape.vocabularySize - 1));
    std::vector<TrainingRow> rows(
        static_cast<std::size_t>(config.batch.microBatch * config.batch.accumulation));
    for (TrainingRow& row : rows) {
        row.ids.resize(static_cast<std::size_t>(rowLength(shape, config)));
        std::generate(row.ids.begin(), row.ids.end(), [&] { return token(random); });
        row.labels.assign(row.ids.begin(), row.ids.end());
        row.documentStarts = {0};
    }
    return rows;
}

double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

} // namespace

TrainingBench benchTraining(const ModelConfig& shape, const RunConfig& config, std::int64_t steps,
                            const ProgressCallback& progress)
{
    const ComputePlace place = computePlace(config);
    TrainingBench bench;
    bench.steps = steps;
    bench.machine = measureMachinePeak(place);

    resetPeakMemory(place.device); // what was measured on is no part of the program
    const MemoryPlan plan = planMemory(shape, config, placeProfile(place.device));
    bench.plannedPeakBytes = plan.peakBytes;
    bench.memory = plan.layerMemory;
    bench.executedFlops = stepFlops(shape, config, plan.layerMemory);
    bench.modelFlops = stepFlops(shape, config, {{RecomputeLevel::None}, 0});

    DecoderModel model = randomModel(shape, config.seed, place);
    if (config.quantization == Quantization::Nf4) {
        quantizeLinears(model);
    }
    TrainableSet trainables(model, config);
    Trainer trainer(model, trainables, config, randomRows(shape, config),
                    {steps + 1, plan.layerMemory});
    resetPeakMemory(place.device);
    std::vector<double> seconds;
    for (std::int64_t step = 0; step <= steps; ++step) {
        if (progress && !progress({"steps", step, steps + 1, "steps"})) {
            throw Cancelled{};
        }
        const StepDone done = trainer.step();
        bench.tokensPerStep = done.tokens;
        if (step > 0) {
            seconds.push_back(done.seconds);
        }
    }
    bench.secondsPerStep = median(std::move(seconds));
    bench.peakBytes = peakMemory(place.device);
    // Once more: where others share the machine, the floor would else be that of a slow moment.
    const MachinePeak after = measureMachinePeak(place);
    bench.machine = {std::max(bench.machine.flopsPerSecond, after.flopsPerSecond),
                     std::max(bench.machine.bytesPerSecond, after.bytesPerSecond)};
    return bench;
}

} // namespace longlora
