// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/plan_report.h"

#include "app/commands/console.h"
#include "core/spec/base/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace longlora::app {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kLine = "{:>12}  {}";

std::string percent(double share)
{
    return share > 0.0 ? fmt::format("{:.1f} %", share * 100.0) : std::string("unknown");
}

std::string hours(double value)
{
    constexpr double kRoundFrom = 100.0;
    return value < 1.0          ? formatDuration(value * 3600.0)
           : value < kRoundFrom ? fmt::format("{:.1f} h", value)
                                : formatCount(static_cast<std::int64_t>(value + 0.5)) + " h";
}

std::string countedName(const PlanReport& report)
{
    return report.deviceCount > 1 ? fmt::format("{} x {}", report.deviceCount, report.device.name)
                                  : report.device.name;
}

void printMemory(Console& console, const PlanReport& report)
{
    const MemoryPlan& plan = report.plan;
    for (const PlannedItem& item : plan.items) {
        console.print(
            fmt::format("{:>12}  {:<32} {}", formatBytes(item.bytes), item.name, item.formula));
    }
    const PlanVerdict verdict = verdictOf(plan.peakBytes, report.device.memoryBytes);
    console.print(fmt::format(
        kLine, formatBytes(plan.peakBytes),
        fmt::format("peak{}, of {} on {}: {}", report.deviceCount > 1 ? " of each device" : "",
                    formatBytes(report.device.memoryBytes), countedName(report),
                    verdict == PlanVerdict::No ? "does not fit" : verdictName(verdict))));
    console.print(
        fmt::format(kLine, formatCount(plan.trainableParameters), "parameters are trained"));
    console.print(
        fmt::format(kLine, formatCount(plan.largestContext), "is the largest context that fits"));
    if (plan.hostBytes > 0.0) {
        console.print(fmt::format(kLine, formatBytes(plan.hostBytes),
                                  fmt::format("of the machine's memory, for hidden states of the "
                                              "layers{}",
                                              plan.hostFits ? "" : ": more than is free")));
    }
    console.print(fmt::format(kLine, formatBytes(plan.diskBytes), "on disk"));
}

void printTime(Console& console, const StepTime& time)
{
    if (time.seconds <= 0.0) {
        console.print(fmt::format(kLine, "unknown", "per step"));
        return;
    }
    console.print(fmt::format(kLine, formatDuration(time.seconds), "per step, about"));
    for (const TimeItem& item : time.items) {
        console.print(fmt::format("{:>12}  {:<32} {}", formatDuration(item.seconds),
                                  "  " + item.name, item.formula));
    }
    console.print(fmt::format(kLine, formatCount(static_cast<std::int64_t>(time.tokensPerSecond())),
                              fmt::format("tokens/s: {} tokens a step",
                                          formatCount(static_cast<std::int64_t>(time.tokens)))));
    console.print(fmt::format(kLine, hours(time.hoursPerThousandSteps()), "per 1,000 steps"));
    if (time.peakFlopsPerSecond > 0.0) {
        console.print(fmt::format(kLine, percent(time.hardwareUse()),
                                  "HFU: operations / (seconds x peak operations/s)"));
        console.print(fmt::format(kLine, percent(time.modelUse()),
                                  "MFU: the same without what is computed again"));
    }
}

std::string cellText(const FrontierCell& cell)
{
    if (cell.verdict == PlanVerdict::No) {
        return "no";
    }
    return cell.hoursPerThousandSteps > 0.0
               ? verdictName(cell.verdict) + " " + hours(cell.hoursPerThousandSteps)
               : verdictName(cell.verdict);
}

void printFrontier(Console& console, const PlanReport& report)
{
    const Frontier& frontier = *report.frontier;
    console.print("");
    console.print(fmt::format("Context by number of devices ({}), time per 1,000 steps; tight: "
                              "above {:.0f} % of the memory",
                              report.device.name, kRoomyShare * 100.0));
    std::string head = fmt::format("{:>12}", "tokens");
    for (const std::int64_t count : frontier.devices) {
        head += fmt::format("{:>16}", count);
    }
    console.print(head);
    for (std::size_t context = 0; context < frontier.contexts.size(); ++context) {
        std::string line = fmt::format("{:>12}", formatCount(frontier.contexts[context]));
        for (std::size_t count = 0; count < frontier.devices.size(); ++count) {
            line += fmt::format("{:>16}", cellText(frontier.at(context, count)));
        }
        console.print(line);
    }
}

Json frontierJson(const Frontier& frontier)
{
    Json cells = Json::array();
    for (std::size_t context = 0; context < frontier.contexts.size(); ++context) {
        for (std::size_t count = 0; count < frontier.devices.size(); ++count) {
            const FrontierCell& cell = frontier.at(context, count);
            cells.push_back({{"context", frontier.contexts[context]},
                             {"devices", frontier.devices[count]},
                             {"verdict", verdictName(cell.verdict)},
                             {"peak_bytes", cell.peakBytes},
                             {"hours_per_1000_steps", cell.hoursPerThousandSteps > 0.0
                                                          ? Json(cell.hoursPerThousandSteps)
                                                          : Json(nullptr)},
                             {"sequence_parallel", cell.sequenceParallel},
                             {"accumulation", cell.accumulation}});
        }
    }
    return cells;
}

} // namespace

void printPlan(Console& console, const PlanReport& report)
{
    printMemory(console, report);
    printTime(console, report.plan.time);
    if (!report.plan.sharding.empty()) {
        console.print("Planned for " + report.plan.sharding + ".");
    }
    if (!report.device.source.empty()) {
        console.print("Figures of the device: " + report.device.source + ".");
    }
    if (report.frontier) {
        printFrontier(console, report);
    }
    for (const std::string& reason : report.notTrainable) {
        console.print("This version plans it but does not train it: " + reason + ".");
    }
}

std::string planReportJson(const PlanReport& report)
{
    auto json = Json::parse(memoryPlanToJson(report.plan));
    json["verdict"] = verdictName(report.plan.hostFits
                                      ? verdictOf(report.plan.peakBytes, report.device.memoryBytes)
                                      : PlanVerdict::No);
    json["device"] = {{"name", report.device.name},
                      {"count", report.deviceCount},
                      {"memory_bytes", report.device.memoryBytes},
                      {"source", report.device.source}};
    json["not_trainable"] = report.notTrainable;
    if (!report.plan.fits) {
        json["alternatives"] = Json::array();
        for (const PlanAlternative& one : report.alternatives) {
            json["alternatives"].push_back({{"settings", one.settings},
                                            {"device", one.device},
                                            {"peak_bytes", one.peakBytes},
                                            {"memory_bytes", one.memoryBytes}});
        }
    }
    if (report.frontier) {
        json["frontier"] = frontierJson(*report.frontier);
    }
    return json.dump();
}

} // namespace longlora::app
