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

/// Steps, and the large product between them.
class StepMeter {
public:
    explicit StepMeter(const ComputePlace& place)
        : m_place(place)
    {}

    void measureProduct()
    {
        constexpr std::int64_t kProducts = 5;
        const std::vector<double> speeds = productSpeeds(m_place, kProducts);
        m_speeds.push_back(median(speeds));
        m_best = std::max(m_best, *std::max_element(speeds.begin(), speeds.end()));
        m_ownSpeeds.push_back(median(productSpeeds(m_place, kProducts, ProductMaker::Ours)));
    }

    /// A step that has followed measureProduct().
    void add(double seconds)
    {
        const double before = m_speeds.back();
        measureProduct();
        m_seconds.push_back(seconds);
        m_productFlops.push_back(seconds * (before + m_speeds.back()) / 2.0);
    }

    void tell(TrainingBench& bench) const
    {
        bench.secondsPerStep = median(m_seconds);
        bench.productFlops = median(m_productFlops);
        bench.machine.flopsPerSecond = median(m_speeds);
        bench.bestFlopsPerSecond = m_best;
        bench.ownFlopsPerSecond = median(m_ownSpeeds);
    }

private:
    ComputePlace m_place;
    std::vector<double> m_seconds, m_speeds, m_ownSpeeds, m_productFlops;
    double m_best = 0.0;
};

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
    StepMeter meter(place);
    for (std::int64_t step = 0; step <= steps; ++step) {
        if (progress && !progress({"steps", step, steps + 1, "steps"})) {
            throw Cancelled{};
        }
        if (step == 1) {
            meter.measureProduct();
        }
        const StepDone done = trainer.step();
        bench.tokensPerStep = done.tokens;
        if (step > 0) {
            meter.add(done.seconds);
        }
    }
    bench.peakBytes = peakMemory(place.device);
    meter.tell(bench);
    return bench;
}

} // namespace longlora
