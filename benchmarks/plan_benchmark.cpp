// SPDX-License-Identifier: GPL-3.0-or-later
// What the window plans at every keystroke; see README.md.
#include "core/spec/config/presets.h"
#include "core/spec/plan/device_table.h"
#include "core/spec/plan/frontier.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/plan/plan_alternatives.h"

#include <benchmark/benchmark.h>

namespace longlora {
namespace {

struct Planned {
    Planned(const char* preset, const char* deviceName)
        : config(readPreset(LONGLORA_SOURCE_DIR "/resources/presets", preset).config)
        , model(readModelConfig(config.model))
        , device(parseDevices(deviceName).device)
    {}
    RunConfig config;
    ModelConfig model;
    DeviceProfile device;
};

void plan(benchmark::State& state, const char* preset)
{
    const Planned run(preset, "A100-80");
    for (auto iteration : state) {
        benchmark::DoNotOptimize(planMemory(run.model, run.config, run.device));
    }
}

void frontier(benchmark::State& state, const char* preset)
{
    const Planned run(preset, "A100-80");
    for (auto iteration : state) {
        benchmark::DoNotOptimize(planFrontier(run.model, run.config, run.device));
    }
}

/// On a card that the run does not fit.
void alternatives(benchmark::State& state, const char* preset)
{
    const Planned run(preset, "RTX4090");
    for (auto iteration : state) {
        benchmark::DoNotOptimize(nearestFits(run.model, run.config, run.device));
    }
}

BENCHMARK_CAPTURE(plan, 7b_100k, "paper-7b-100k")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan, 70b_32k, "paper-70b-32k")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(frontier, 7b_100k, "paper-7b-100k")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(frontier, 70b_32k, "paper-70b-32k")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(alternatives, 7b_100k, "paper-7b-100k")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(alternatives, 70b_32k, "paper-70b-32k")->Unit(benchmark::kMillisecond);

} // namespace
} // namespace longlora

BENCHMARK_MAIN();
