// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/options.h"
#include "app/commands/run_config_options.h"
#include "app/device_service.h"
#include "core/spec/base/units.h"
#include "core/spec/plan/memory_planner.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace longlora::app {

namespace {

struct PlanOptions {
    RunConfigOptions config;
    std::string deviceMemory;
};

void printPlan(Console& console, const MemoryPlan& plan, const DeviceProfile& device)
{
    for (const PlannedItem& item : plan.items) {
        console.print(
            fmt::format("{:>12}  {:<28} {}", formatBytes(item.bytes), item.name, item.formula));
    }
    console.print(fmt::format("{:>12}  peak, of {} on {}: {}", formatBytes(plan.peakBytes),
                              formatBytes(device.memoryBytes), device.name,
                              plan.fits ? "fits" : "does not fit"));
    console.print(
        fmt::format("{:>12}  parameters are trained", formatCount(plan.trainableParameters)));
    console.print(
        fmt::format("{:>12}  is the largest context that fits", formatCount(plan.largestContext)));
    console.print(fmt::format("{:>12}  per step, about", plan.secondsPerStep > 0.0
                                                             ? formatDuration(plan.secondsPerStep)
                                                             : std::string("unknown")));
    console.print(fmt::format("{:>12}  on disk", formatBytes(plan.diskBytes)));
}

ExitStatus plan(const PlanOptions& options, Console& console)
{
    const RunConfig config = readRunConfig(options.config, RunPurpose::Plan);
    DeviceProfile device = measuredCpuProfile();
    if (!options.deviceMemory.empty()) {
        device.memoryBytes = parseBytes("--device-memory", options.deviceMemory);
    }
    const MemoryPlan plan = planMemory(readModelConfig(config.model), config, device);
    printPlan(console, plan, device);
    console.finish(nlohmann::ordered_json::parse(memoryPlanToJson(plan)).dump());
    return ExitStatus::Done;
}

} // namespace

void addPlanCommand(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<PlanOptions>();
    CLI::App* command = addCommand(parent, chosen, "plan", "forecasts memory and time of a run",
                                   [options](Console& console) { return plan(*options, console); });
    addRunConfigOptions(*command, options->config);
    addText(
        *command,
        {"--device-memory", "BYTES", "memory of the device, such as 24GiB, instead of this one's"},
        options->deviceMemory);
}

} // namespace longlora::app
