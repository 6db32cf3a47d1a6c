// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/dry_run.h"
#include "app/commands/options.h"
#include "app/commands/run_config_options.h"
#include "app/commands/stop_signals.h"
#include "app/commands/training_console.h"
#include "app/dry_run_service.h"
#include "core/engine/tensor/place_profile.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/engine/train/training_run.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/plan/plan_alternatives.h"
#include "core/spec/run/run_list.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>
#include <optional>

namespace longlora::app {

namespace fs = std::filesystem;

namespace {

struct TrainOptions {
    RunConfigOptions config;
    std::string run;
    std::string initialAdapter;
    bool dryRun = false;
    bool ignorePlan = false;
};

nlohmann::ordered_json resultJson(const fs::path& folder, const TrainingResult& result)
{
    const RunFinished& finished = result.finished;
    return {
        {"run", folder.string()},
        {"outcome", finished.outcome == RunOutcome::Stopped ? "stopped" : "completed"},
        {"steps", finished.steps},
        {"final_loss", finished.finalLoss},
        {"losses", result.losses},
        {"seconds", finished.seconds},
        {"tokens_per_second", finished.tokensPerSecond},
        {"peak_bytes", finished.peakBytes},
        {"planned_peak_bytes", finished.plannedPeakBytes},
        {"adapter", finished.adapter.empty() ? "" : (folder / finished.adapter).string()},
    };
}

/// The folder of a dry run that nobody asked to keep; it goes when this goes.
class ScratchRun {
public:
    ScratchRun(fs::path folder, bool keep)
        : m_folder(std::move(folder))
        , m_keep(keep)
    {}
    ~ScratchRun()
    {
        std::error_code ignored;
        if (!m_keep) {
            fs::remove_all(m_folder, ignored);
        }
    }
    ScratchRun(const ScratchRun&) = delete;
    ScratchRun& operator=(const ScratchRun&) = delete;

private:
    fs::path m_folder;
    bool m_keep;
};

void announceFolder(Console& console, const fs::path& folder)
{
    if (console.json()) {
        console.note(folder.string());
    } else {
        console.print(folder.string());
    }
}

ExitStatus train(const TrainOptions& options, Console& console)
{
    const RunConfig config = readRunConfig(options.config, RunPurpose::Train);
    const ComputePlace place = computePlace(config);
    if (!options.ignorePlan) {
        requireFits(readModelConfig(config.model), config, placeProfile(place.device));
    }
    const fs::path folder = options.run.empty() ? newRunFolder(defaultRunsFolder(), config.runName)
                                                : fs::absolute(options.run).lexically_normal();
    const ScratchRun scratch(folder, !options.dryRun || !options.run.empty());
    const RunDirectory directory = RunDirectory::create(folder);
    directory.writeConfig(config);
    announceFolder(console, folder);

    StopSignals signals;
    TrainingConsole sink(console);
    const std::optional<MemoryPlan> plan =
        options.dryRun ? std::optional(forecastHere(config)) : std::nullopt;
    DryRunRecord record(plan.value_or(MemoryPlan()), config);
    DryRunSink recorded(record, sink);
    const TrainingResult result = runTraining(
        config, directory, {options.initialAdapter, options.dryRun}, recorded, signals.control());
    const RunFinished& finished = result.finished;
    if (finished.outcome == RunOutcome::Failed) {
        std::rethrow_exception(result.failure);
    }
    nlohmann::ordered_json json = resultJson(folder, result);
    if (options.dryRun) {
        printDryRun(console, record.figures());
        json["dry_run"] = nlohmann::ordered_json::parse(dryRunJson(record.figures()));
    }
    console.finish(json.dump());
    if (finished.outcome == RunOutcome::Stopped) {
        console.note(finished.message.empty()
                         ? fmt::format("longlora: stopped on request after step {}; {} holds what "
                                       "was trained so far.",
                                       finished.steps, (folder / finished.adapter).string())
                         : "longlora: " + finished.message + ".");
        return ExitStatus::Stopped;
    }
    if (!finished.adapter.empty()) {
        console.print((folder / finished.adapter).string());
    }
    return ExitStatus::Done;
}

} // namespace

void addTrainCommand(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<TrainOptions>();
    CLI::App* command =
        addCommand(parent, chosen, "train", "extends a model; prints the run's folder first",
                   [options](Console& console) { return train(*options, console); });
    addRunConfigOptions(*command, options->config);
    addText(*command, {"--run", "DIR", "new folder for the run; without it one is made and named"},
            options->run);
    addText(*command, {"--init-adapter", "DIR", "adapter to start from"}, options->initialAdapter);
    addFlag(*command, "--dry-run",
            "two full-length steps and a checkpoint write, measured, nothing kept",
            options->dryRun);
    addFlag(*command, "--ignore-plan", "starts although the plan says that memory is too small",
            options->ignorePlan);
}

} // namespace longlora::app
