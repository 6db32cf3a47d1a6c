// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/dry_run.h"

#include "app/commands/console.h"
#include "core/spec/base/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace longlora::app {

namespace {

const char* nameOf(DryRunFigure::Kind kind)
{
    switch (kind) {
    case DryRunFigure::Kind::PeakMemory:
        return "peak memory";
    case DryRunFigure::Kind::StepTime:
        return "step";
    case DryRunFigure::Kind::CheckpointSize:
        return "checkpoint";
    case DryRunFigure::Kind::CheckpointTime:
        break;
    }
    return "writing it";
}

std::string valueText(const DryRunFigure& figure, double value)
{
    return value <= 0.0       ? std::string("unknown")
           : figure.isBytes() ? formatBytes(value)
                              : formatDuration(value);
}

} // namespace

void printDryRun(Console& console, const std::vector<DryRunFigure>& figures)
{
    console.print(fmt::format("{:<14}{:>14}{:>14}", "", "predicted", "measured"));
    for (const DryRunFigure& figure : figures) {
        const bool bothKnown = figure.predicted > 0.0 && figure.measured > 0.0;
        console.print(
            fmt::format("{:<14}{:>14}{:>14}{}", nameOf(figure.kind),
                        valueText(figure, figure.predicted), valueText(figure, figure.measured),
                        bothKnown ? fmt::format("  {:+.0f} %", figure.excess() * 100.0) : ""));
    }
}

std::string dryRunJson(const std::vector<DryRunFigure>& figures)
{
    using Json = nlohmann::ordered_json;
    const auto orNull = [](double value) { return value > 0.0 ? Json(value) : Json(nullptr); };
    Json json = Json::array();
    for (const DryRunFigure& figure : figures) {
        json.push_back({{"name", nameOf(figure.kind)},
                        {"unit", figure.isBytes() ? "bytes" : "seconds"},
                        {"predicted", orNull(figure.predicted)},
                        {"measured", orNull(figure.measured)}});
    }
    return json.dump();
}

} // namespace longlora::app
