// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/frontier.h"

#include "core/spec/config/config_issues.h"
#include "core/spec/plan/memory_planner.h"

#include <algorithm>

namespace longlora {

namespace {

/// Of the model's own context, up to the longest row that is planned.
constexpr int kDoublings = 7;
constexpr std::int64_t kLongestContext = std::int64_t{1} << 24;

void insertSorted(std::vector<std::int64_t>& values, std::int64_t value)
{
    const auto place = std::lower_bound(values.begin(), values.end(), value);
    if (place == values.end() || *place != value) {
        values.insert(place, value);
    }
}

/// Whether `sharing` devices can share a row: each begins where a group does, or two of them share
/// a group.
bool canShare(const RunConfig& config, std::int64_t length, std::int64_t sharing)
{
    if (sharing == 1) {
        return true;
    }
    if (config.attention.kind != AttentionKind::S2 || length % sharing != 0) {
        return false;
    }
    const std::int64_t part = length / sharing;
    const std::int64_t group = groupSize(config.attention, length);
    return part % group == 0 || group == 2 * part;
}

/// Rows of a step over all devices.
std::int64_t rowsPerStep(const RunConfig& config)
{
    const std::int64_t ranks = std::max<std::int64_t>(1, config.devices.ranks);
    const std::int64_t sharing =
        std::clamp<std::int64_t>(config.devices.sequenceParallel, 1, ranks);
    return std::max<std::int64_t>(1, config.batch.microBatch) *
           std::max<std::int64_t>(1, config.batch.accumulation) * (ranks / sharing);
}

RunConfig placed(RunConfig config, std::int64_t length, std::int64_t devices, std::int64_t sharing)
{
    const std::int64_t atOnce =
        std::max<std::int64_t>(1, config.batch.microBatch) * (devices / sharing);
    config.batch.accumulation =
        std::max<std::int64_t>(1, (rowsPerStep(config) + atOnce - 1) / atOnce);
    config.devices.ranks = devices;
    config.devices.sequenceParallel = sharing;
    if (length != config.context.length) {
        config.context.factor.reset(); // it follows the length again
    }
    config.context.length = length;
    return config;
}

FrontierCell planCell(const ModelConfig& model, const RunConfig& config,
                      const DeviceProfile& device, std::int64_t length, std::int64_t devices)
{
    FrontierCell least;
    for (std::int64_t sharing = 1; sharing <= devices; ++sharing) {
        if (devices % sharing != 0 || !canShare(config, length, sharing)) {
            continue;
        }
        const RunConfig run = placed(config, length, devices, sharing);
        const PlanOutline plan = outlinePlan(model, run, device);
        const PlanVerdict verdict =
            plan.hostFits ? verdictOf(plan.peakBytes, device.memoryBytes) : PlanVerdict::No;
        const FrontierCell cell{verdict, plan.peakBytes, plan.time.hoursPerThousandSteps(), sharing,
                                run.batch.accumulation};
        if (least.peakBytes == 0.0 || cell.verdict < least.verdict) {
            least = cell;
        }
        const bool rowsStay = rowsPerStep(run) == rowsPerStep(config);
        if (cell.verdict == PlanVerdict::Fits && rowsStay) {
            return cell;
        }
    }
    return least;
}

} // namespace

PlanVerdict verdictOf(double peakBytes, double memoryBytes)
{
    if (memoryBytes <= 0.0 || peakBytes <= kRoomyShare * memoryBytes) {
        return PlanVerdict::Fits;
    }
    return peakBytes <= memoryBytes ? PlanVerdict::Tight : PlanVerdict::No;
}

std::string verdictName(PlanVerdict verdict)
{
    return verdict == PlanVerdict::Fits ? "fits" : verdict == PlanVerdict::Tight ? "tight" : "no";
}

Frontier planFrontier(const ModelConfig& model, const RunConfig& config,
                      const DeviceProfile& device)
{
    Frontier frontier;
    const std::int64_t own = std::max<std::int64_t>(1, model.contextLength());
    for (int doubling = 0; doubling <= kDoublings && (own << doubling) <= kLongestContext;
         ++doubling) {
        frontier.contexts.push_back(own << doubling);
    }
    insertSorted(frontier.contexts, std::max<std::int64_t>(1, rowLength(model, config)));
    frontier.devices = {1, 2, 4, 8};
    insertSorted(frontier.devices, std::max<std::int64_t>(1, config.devices.ranks));
    for (const std::int64_t context : frontier.contexts) {
        for (const std::int64_t devices : frontier.devices) {
            frontier.cells.push_back(planCell(model, config, device, context, devices));
        }
    }
    return frontier;
}

RunConfig configOf(const RunConfig& config, const Frontier& frontier, std::size_t context,
                   std::size_t device)
{
    return placed(config, frontier.contexts[context], frontier.devices[device],
                  frontier.at(context, device).sequenceParallel);
}

} // namespace longlora
