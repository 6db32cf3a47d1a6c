// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/model_options.h"
#include "app/commands/options.h"
#include "app/commands/stop_signals.h"
#include "app/resource_folder.h"
#include "core/engine/bench/attention_bench.h"
#include "core/engine/bench/generation_bench.h"
#include "core/engine/bench/training_bench.h"
#include "core/engine/tensor/place_profile.h"
#include "core/spec/base/units.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/config_json.h"
#include "core/spec/config/huggingface_cache.h"
#include "core/spec/config/model_config_parse.h"
#include "core/spec/config/model_weights.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/plan/plan_alternatives.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace longlora::app {

namespace {

namespace fs = std::filesystem;

struct BenchOptions {
    std::string shape;
    std::int64_t context = 4096;
    std::string attention = "s2";
    std::string quantization = "none";
    std::string kv = "auto";
    std::int64_t group = 0;
    std::int64_t rounds = 3;
    std::vector<std::string> settings;
};

struct Bench {
    ModelConfig shape;
    RunConfig config;
    ComputePlace place;
};

/// A bundled shape, a config.json, a folder that has one, or a model in the local cache.
ModelConfig readShape(const std::string& shape)
{
    if (const fs::path bundled = findShapes() / shape; fs::is_directory(bundled)) {
        return readModelConfig(bundled);
    }
    if (fs::is_regular_file(shape)) {
        return parseModelConfig(readTextFile(shape), shape);
    }
    return readModelConfig(resolveModelFolder(shape));
}

/// Throws: ConfigError for the first setting that cannot be.
Bench benchOf(const BenchOptions& options)
{
    Bench bench;
    bench.shape = readShape(options.shape);
    RunConfig& config = bench.config;
    config.lora.targets = loraTargets(bench.shape, /*onlyAttention=*/true);
    config.batch.accumulation = 1;
    config.context.length = options.context;
    config.context.rope = ContextRope::None;
    for (const std::string& setting : options.settings) {
        applySetting(config, setting);
    }
    applySetting(config, "attention.kind=" + options.attention);
    applySetting(config, "quantization=" + options.quantization);
    if (options.group > 0) {
        config.attention.group = options.group;
    }
    for (const ConfigIssue& issue : validate(config, &bench.shape)) {
        if (issue.severity == Severity::Error && !issue.field.starts_with("data.") &&
            issue.field != "model") {
            throw ConfigError(issue.field + ": " + issue.message);
        }
    }
    bench.place = computePlace(config);
    return bench;
}

std::string describe(const Bench& bench)
{
    const AttentionConfig& attention = bench.config.attention;
    const std::int64_t length = rowLength(bench.shape, bench.config);
    return fmt::format(
        "{} parameters, {}, {}; {} tokens, {}", formatCount(bench.shape.parameterCount()),
        dtypeName(bench.place.dtype), describeDevice(bench.place.device), formatCount(length),
        attention.kind == AttentionKind::Full
            ? std::string("full attention")
            : fmt::format("S2, group {}", formatCount(groupSize(attention, length))));
}

std::string describe(const MachinePeak& machine)
{
    return fmt::format(
        "this machine: {:.0f} GFLOP/s in LibTorch's large matrix product, {:.1f} GB/s copied",
        machine.flopsPerSecond / 1e9, machine.bytesPerSecond / 1e9);
}

std::string percent(double share)
{
    return fmt::format("{:.1f} %", 100.0 * share);
}

nlohmann::ordered_json toJson(const MachinePeak& machine)
{
    return {{"flops_per_second", machine.flopsPerSecond},
            {"bytes_per_second", machine.bytesPerSecond}};
}

ExitStatus benchTrain(const BenchOptions& options, Console& console)
{
    const Bench bench = benchOf(options);
    requireFits(bench.shape, bench.config, placeProfile(bench.place.device));
    const StopSignals signals;
    const TrainingBench result =
        benchTraining(bench.shape, bench.config, options.rounds, signals.progress(console));
    console.print(describe(bench));
    console.print(describe(result.machine));
    console.print(fmt::format("{:.1f} tokens/s, {} a step, median of {}", result.tokensPerSecond(),
                              formatDuration(result.secondsPerStep), result.steps));
    console.print(fmt::format("{} at the peak, {} planned", formatBytes(result.peakBytes),
                              formatBytes(result.plannedPeakBytes)));
    console.print(fmt::format("HFU {} = {:.4g} FLOP of a step / {:.4g} of LibTorch's product "
                              "meanwhile, by its speed before and after",
                              percent(result.hfu()), result.executedFlops, result.productFlops));
    console.print(fmt::format("MFU {} = the same with the {:.4g} FLOP that are not computed again",
                              percent(result.mfu()), result.modelFlops));
    console.print(fmt::format("floor {} a step at that speed; its fastest product ran at {:.0f} "
                              "GFLOP/s, ours at {:.0f} in the median",
                              formatDuration(result.floorSeconds()),
                              result.bestFlopsPerSecond / 1e9, result.ownFlopsPerSecond / 1e9));
    console.finish(nlohmann::ordered_json{
        {"tokens_per_second", result.tokensPerSecond()},
        {"seconds_per_step", result.secondsPerStep},
        {"tokens_per_step", result.tokensPerStep},
        {"peak_bytes", result.peakBytes},
        {"planned_peak_bytes", result.plannedPeakBytes},
        {"hfu", result.hfu()},
        {"mfu", result.mfu()},
        {"floor_seconds", result.floorSeconds()},
        {"executed_flops", result.executedFlops},
        {"model_flops", result.modelFlops},
        {"product_flops", result.productFlops},
        {"dtype", dtypeName(bench.place.dtype)},
        {"machine", toJson(result.machine)},
        {"best_flops_per_second", result.bestFlopsPerSecond},
        {"own_flops_per_second", result.ownFlopsPerSecond},
    }
                       .dump());
    return ExitStatus::Done;
}

ExitStatus benchAttend(const BenchOptions& options, Console& console)
{
    const Bench bench = benchOf(options);
    const AttentionBench result =
        benchAttention(bench.shape, bench.config, bench.place, options.rounds);
    console.print(describe(bench));
    console.print(describe(result.machine));
    const auto line = [&](const char* what, double seconds, double flops, double share) {
        console.print(fmt::format("{}: {} a layer, {:.4g} FLOP, {} of that speed", what,
                                  formatDuration(seconds), flops, percent(share)));
    };
    line("forward", result.forwardSeconds, result.forwardFlops, result.forwardShare());
    line("backward", result.backwardSeconds, result.backwardFlops(), result.backwardShare());
    const double seconds = result.forwardSeconds + result.backwardSeconds;
    const double floor =
        (result.forwardFlops + result.backwardFlops()) / result.machine.flopsPerSecond;
    console.finish(nlohmann::ordered_json{
        {"tokens_per_second", static_cast<double>(result.tokens) / seconds},
        {"forward_seconds", result.forwardSeconds},
        {"backward_seconds", result.backwardSeconds},
        {"hfu", floor / seconds},
        {"floor_seconds", floor},
        {"dtype", dtypeName(bench.place.dtype)},
        {"machine", toJson(result.machine)},
    }
                       .dump());
    return ExitStatus::Done;
}

ExitStatus benchGenerate(const BenchOptions& options, Console& console)
{
    constexpr std::int64_t kNewTokens = 32;
    const Bench bench = benchOf(options);
    const StopSignals signals;
    const GenerationBench result = benchGeneration(
        bench.shape, bench.place, {options.context, kNewTokens, kvFormat(options.kv)},
        signals.progress(console));
    console.print(describe(bench));
    console.print(describe(result.machine));
    console.print(fmt::format("{} tokens read in {}; floor {}, by {:.4g} FLOP",
                              formatCount(result.promptTokens),
                              formatDuration(result.prefillSeconds),
                              formatDuration(result.prefillFloorSeconds()), result.prefillFlops));
    console.print(fmt::format("{:.1f} new tokens/s, median of {}; floor {:.1f}, by {} seen a token",
                              1.0 / result.secondsPerToken, result.newTokens,
                              1.0 / result.tokenFloorSeconds(), formatBytes(result.bytesPerToken)));
    console.print(formatBytes(result.peakBytes) + " at the peak");
    console.finish(nlohmann::ordered_json{
        {"tokens_per_second", 1.0 / result.secondsPerToken},
        {"prefill_tokens_per_second",
         static_cast<double>(result.promptTokens) / result.prefillSeconds},
        {"prefill_seconds", result.prefillSeconds},
        {"prefill_floor_seconds", result.prefillFloorSeconds()},
        {"seconds_per_token", result.secondsPerToken},
        {"floor_seconds", result.tokenFloorSeconds()},
        {"hfu", result.prefillFloorSeconds() / result.prefillSeconds},
        {"cuda_graph", result.usesGraph},
        {"peak_bytes", result.peakBytes},
        {"dtype", dtypeName(bench.place.dtype)},
        {"machine", toJson(result.machine)},
    }
                       .dump());
    return ExitStatus::Done;
}

constexpr std::array<std::string_view, 2> kAttentionKinds = {"s2", "full"};
constexpr std::array<std::string_view, 2> kQuantizations = {"none", "nf4"};
constexpr std::int64_t kLongest = std::int64_t{1} << 24;

void addBench(CLI::App& parent, Action& chosen, const std::string& name, const std::string& doc,
              ExitStatus (*run)(const BenchOptions&, Console&), bool takesPattern)
{
    const auto options = std::make_shared<BenchOptions>();
    if (!takesPattern) {
        options->attention = "full";
    }
    CLI::App* command = addCommand(parent, chosen, name, doc, [options, run](Console& console) {
        return run(*options, console);
    });
    addText(
        *command,
        {"--shape", "NAME", "bundled shape such as llama2-7b, a config.json, or a model folder"},
        options->shape)
        ->required();
    addInteger(*command, {"--context", "N", "tokens"}, options->context, {2, kLongest});
    if (!takesPattern) {
        addKvOption(*command, options->kv);
    }
    if (takesPattern) {
        addChoice(*command, {"--attention", "KIND", "which tokens see which"}, kAttentionKinds,
                  options->attention);
        addInteger(*command, {"--group", "N", "tokens of an S2 group, 0 is a quarter of them all"},
                   options->group, {0, kLongest});
        if (name == "train") {
            addChoice(*command, {"--quantization", "KIND", "how the frozen weights are kept"},
                      kQuantizations, options->quantization);
        }
        addInteger(*command, {"--rounds", "N", "how often, after one round that warms up"},
                   options->rounds, {1, 1000});
    }
    addTexts(*command,
             {"--set", "KEY=VALUE", "a field of the run configuration, such as lora.rank=16"},
             options->settings);
}

} // namespace

void addBenchCommands(CLI::App& parent, Action& chosen)
{
    CLI::App* bench = parent.add_subcommand(
        "bench", "random weights of a model's shape: speed beside the machine's");
    addBench(*bench, chosen, "train", "optimizer steps", benchTrain, true);
    addBench(*bench, chosen, "attention", "attention of one layer, forward and backward",
             benchAttend, true);
    addBench(*bench, chosen, "generate", "reading a text, and going on with it", benchGenerate,
             false);
}

} // namespace longlora::app
