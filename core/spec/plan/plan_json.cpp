// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/run_config_enums.h"
#include "core/spec/plan/memory_planner.h"

#include <nlohmann/json.hpp>

namespace longlora {

namespace {

using Json = nlohmann::ordered_json;

/// A figure that is null where it is not known.
Json knownOrNull(double value)
{
    return value > 0.0 ? Json(value) : Json(nullptr);
}

/// [{"from_layer": 0, "level": "full"}, {"from_layer": 22, "level": "none"}].
Json recomputeJson(const LayerMemory& memory)
{
    Json runs = Json::array();
    for (std::size_t layer = 0; layer < memory.recompute.size(); ++layer) {
        const std::string_view level = enumName(memory.recompute[layer]);
        if (runs.empty() || runs.back()["level"] != level) {
            runs.push_back({{"from_layer", layer}, {"level", level}});
        }
    }
    return runs;
}

void addTime(Json& json, const StepTime& time)
{
    json["time_items"] = Json::array();
    for (const TimeItem& item : time.items) {
        json["time_items"].push_back(
            {{"name", item.name}, {"seconds", item.seconds}, {"formula", item.formula}});
    }
    json["tokens_per_step"] = time.tokens;
    json["tokens_per_second"] = knownOrNull(time.tokensPerSecond());
    json["hours_per_1000_steps"] = knownOrNull(time.hoursPerThousandSteps());
    json["model_flops_per_step"] = time.modelFlops;
    json["peak_flops_per_second"] = knownOrNull(time.peakFlopsPerSecond);
    json["hfu"] = knownOrNull(time.hardwareUse());
    json["hfu_formula"] = "flops_per_step / (seconds_per_step x peak_flops_per_second)";
    json["mfu"] = knownOrNull(time.modelUse());
    json["mfu_formula"] = "model_flops_per_step / (seconds_per_step x peak_flops_per_second); "
                          "model: nothing computed again";
}

} // namespace

std::string memoryPlanToJson(const MemoryPlan& plan)
{
    Json json;
    json["items"] = Json::array();
    for (const PlannedItem& item : plan.items) {
        json["items"].push_back(
            {{"name", item.name}, {"bytes", item.bytes}, {"formula", item.formula}});
    }
    json["peak_bytes"] = plan.peakBytes;
    json["fits"] = plan.fits;
    json["largest_context"] = plan.largestContext;
    json["trainable_parameters"] = plan.trainableParameters;
    json["trainable_bytes"] = plan.trainableBytes;
    json["host_bytes"] = plan.hostBytes;
    json["disk_bytes"] = plan.diskBytes;
    json["recompute"] = recomputeJson(plan.layerMemory);
    json["mlp_tile"] = plan.layerMemory.mlpTile;
    json["group_tile"] = plan.layerMemory.groupTile;
    json["sharding"] = plan.sharding;
    json["flops_per_step"] = plan.flopsPerStep;
    json["seconds_per_step"] = plan.secondsPerStep;
    addTime(json, plan.time);
    return json.dump(2) + "\n";
}

} // namespace longlora
