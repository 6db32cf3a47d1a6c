// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/options.h"
#include "app/commands/plan_report.h"
#include "app/commands/run_config_options.h"
#include "app/device_service.h"
#include "app/resource_folder.h"
#include "core/spec/base/error.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/plan/device_table.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>

namespace longlora::app {

namespace {

constexpr std::int64_t kMostDevices = 4096;

struct PlanOptions {
    RunConfigOptions config;
    std::string shape;
    std::string device;
    std::optional<std::int64_t> devices;
    std::string deviceMemory;
    bool frontier = false;
};

/// The shape, if one was named, is the model.
RunConfigOptions withShape(const PlanOptions& options)
{
    RunConfigOptions run = options.config;
    if (options.shape.empty()) {
        return run;
    }
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(findShapes())) {
        names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    if (std::ranges::find(names, options.shape) == names.end()) {
        throw ConfigError(fmt::format("--shape {} is not known", options.shape),
                          fmt::format("Known: {}.", fmt::join(names, ", ")));
    }
    run.settings.push_back("model=" + (findShapes() / options.shape).string());
    return run;
}

/// The device that was asked for; a number of them goes into `config`.
DeviceProfile chosenDevice(const PlanOptions& options, RunConfig& config)
{
    std::optional<std::int64_t> count = options.devices;
    DeviceProfile device;
    if (options.device.empty()) {
        device = profileHere(config.devices.kind);
    } else {
        const PlannedDevices planned = parseDevices(options.device);
        if (planned.countGiven && count && *count != planned.count) {
            throw ConfigError(fmt::format("--devices {} and --device {} name different numbers",
                                          *count, options.device));
        }
        device = planned.device;
        count = planned.countGiven ? planned.count : count;
    }
    if (!options.deviceMemory.empty()) {
        device.memoryBytes = parseBytes("--device-memory", options.deviceMemory);
    }
    config.devices.ranks = count.value_or(config.devices.ranks);
    if (device.kind == DeviceKind::Cuda && config.precision.compute == ComputePrecision::Fp64) {
        throw ConfigError("precision.compute: attention in fp64 is not available on a GPU",
                          "Suggested: precision.compute=\"fp32\".");
    }
    return device;
}

ExitStatus plan(const PlanOptions& options, Console& console)
{
    RunConfig config = readRunConfig(withShape(options), RunPurpose::Plan);
    const ModelConfig model = readModelConfig(config.model);
    PlanReport report;
    report.device = chosenDevice(options, config);
    requireSound(config, model, RunPurpose::Plan);
    report.deviceCount = config.devices.ranks;
    report.plan = planMemory(model, config, report.device);
    for (const ConfigIssue& issue : validate(config, &model)) {
        if (issue.isUnavailable) {
            report.notTrainable.push_back(issue.field + " " + issue.message);
        }
    }
    if (!report.plan.fits) {
        report.alternatives = nearestFits(model, config, report.device);
    }
    if (options.frontier) {
        report.frontier = planFrontier(model, config, report.device);
    }
    printPlan(console, report);
    if (!report.plan.fits) {
        const DeviceError refusal = planRefusal(report.plan, report.device, report.alternatives);
        console.note("longlora: " + refusal.describe());
    }
    console.finish(planReportJson(report));
    return ExitStatus::Done;
}

} // namespace

void addPlanCommand(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<PlanOptions>();
    CLI::App* command = addCommand(parent, chosen, "plan", "forecasts memory and time of a run",
                                   [options](Console& console) { return plan(*options, console); });
    addRunConfigOptions(*command, options->config);
    addText(*command,
            {"--shape", "NAME", "plan for the bundled shape of a model, such as llama2-7b"},
            options->shape);
    std::string names;
    for (const KnownDevice& known : knownDevices()) {
        names += std::string(names.empty() ? "" : ", ") + std::string(known.name);
    }
    addText(*command,
            {"--device", "NAME",
             "a device that need not be here, or several: 8xA100-80; known: " + names +
                 "; default: where devices.kind computes on this machine"},
            options->device);
    addInteger(*command, {"--devices", "N", "number of devices instead of devices.ranks"},
               options->devices, {1, kMostDevices});
    addText(
        *command,
        {"--device-memory", "BYTES", "memory of each device, such as 24GiB, instead of its own"},
        options->deviceMemory);
    addFlag(*command, "--frontier",
            "also what fits, and in how many hours, by context and number of devices",
            options->frontier);
}

} // namespace longlora::app
