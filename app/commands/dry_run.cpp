// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/dry_run.h"

#include "app/commands/console.h"
#include "core/spec/base/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace longlora::app {

namespace {

std::string valueText(const std::string& unit, double value)
{
    if (value <= 0.0) {
        return "unknown";
    }
    return unit == "bytes" ? formatBytes(value) : formatDuration(value);
}

} // namespace

DryRun::DryRun(MemoryPlan plan, const RunConfig& config, EventSink& next)
    : m_plan(std::move(plan))
    // Of the plan's disk, which holds those kept, one in the making and the result.
    , m_plannedCheckpoint(
          m_plan.diskBytes /
          static_cast<double>(std::max<std::int64_t>(1, config.checkpoint.keep) + 2))
    , m_next(next)
{}

void DryRun::post(const Event& event) noexcept
{
    if (const auto* started = std::get_if<RunStarted>(&event.body)) {
        m_plan.peakBytes = started->plannedPeakBytes; // with what is resident when the run begins
    } else if (const auto* step = std::get_if<StepDone>(&event.body)) {
        m_lastStep = *step;
    } else if (const auto* written = std::get_if<CheckpointWritten>(&event.body)) {
        m_checkpoint = *written;
    }
    m_next.post(event);
}

std::vector<DryRun::Figure> DryRun::figures() const
{
    return {{"peak memory", "bytes", m_plan.peakBytes, m_lastStep.peakBytes},
            {"step", "seconds", m_plan.secondsPerStep, m_lastStep.seconds},
            {"checkpoint", "bytes", m_plannedCheckpoint, m_checkpoint.bytes},
            {"writing it", "seconds", 0.0, m_checkpoint.seconds}};
}

void DryRun::print(Console& console) const
{
    console.print(fmt::format("{:<14}{:>14}{:>14}", "", "predicted", "measured"));
    for (const Figure& figure : figures()) {
        const std::string difference =
            figure.predicted > 0.0 && figure.measured > 0.0
                ? fmt::format("  {:+.0f} %", (figure.measured / figure.predicted - 1.0) * 100.0)
                : std::string();
        console.print(fmt::format("{:<14}{:>14}{:>14}{}", figure.name,
                                  valueText(figure.unit, figure.predicted),
                                  valueText(figure.unit, figure.measured), difference));
    }
}

std::string DryRun::json() const
{
    const auto orNull = [](double value) {
        return value > 0.0 ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
    };
    auto json = nlohmann::ordered_json::array();
    for (const Figure& figure : figures()) {
        json.push_back({{"name", figure.name},
                        {"unit", figure.unit},
                        {"predicted", orNull(figure.predicted)},
                        {"measured", orNull(figure.measured)}});
    }
    return json.dump();
}

} // namespace longlora::app
