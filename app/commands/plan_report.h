// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/plan/frontier.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/plan/plan_alternatives.h"

#include <optional>
#include <string>
#include <vector>

namespace longlora::app {

class Console;

/// A plan with what it was made for and what follows from it.
struct PlanReport {
    DeviceProfile device;
    std::int64_t deviceCount = 1;
    MemoryPlan plan;
    std::vector<PlanAlternative> alternatives; ///< where it does not fit
    std::vector<std::string> notTrainable;     ///< why `train` of this version would refuse the run
    std::optional<Frontier> frontier;
};

/// The whole report, for people.
void printPlan(Console& console, const PlanReport& report);
/// memoryPlanToJson() with the rest of the report beside it.
std::string planReportJson(const PlanReport& report);

} // namespace longlora::app
