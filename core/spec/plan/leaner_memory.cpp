// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/leaner_memory.h"

#include "core/spec/base/units.h"
#include "core/spec/config/run_config_enums.h"

#include <fmt/format.h>

#include <algorithm>

namespace longlora {

namespace {

/// Below it, products of matrices get slow and hardly any memory is left to save.
constexpr std::int64_t kSmallestTile = 128;
constexpr std::int64_t kTileDivisor = 4;

std::optional<LeanerStep> smallerTile(const StepMemory& now, const StepScope& scope)
{
    const std::int64_t tokens = now.microBatch * scope.rowTokens;
    const std::int64_t asked = now.layers.mlpTile;
    const std::int64_t tile = asked > 0 ? std::min(asked, tokens) : tokens;
    if (tile <= kSmallestTile) {
        return std::nullopt;
    }
    LeanerStep leaner{now, {}};
    leaner.memory.layers.mlpTile = std::max(kSmallestTile, tile / kTileDivisor);
    leaner.change = fmt::format("the MLP works on {} tokens at a time instead of {}",
                                formatCount(leaner.memory.layers.mlpTile), formatCount(tile));
    return leaner;
}

std::optional<LeanerStep> fewerRows(const StepMemory& now)
{
    if (now.microBatch <= 1) {
        return std::nullopt;
    }
    LeanerStep leaner{now, {}};
    leaner.memory.microBatch = now.microBatch / 2;
    leaner.change = fmt::format("{} at a time instead of {}",
                                leaner.memory.microBatch == 1
                                    ? std::string("one row")
                                    : fmt::format("{} rows", formatCount(leaner.memory.microBatch)),
                                formatCount(now.microBatch));
    return leaner;
}

/// The layers that keep most keep a level less: of a plan that mixes levels, the richer part.
std::optional<LeanerStep> deeperRecompute(const StepMemory& now, const StepScope& scope)
{
    const auto count = static_cast<std::size_t>(std::max<std::int64_t>(1, scope.layerCount));
    std::vector<RecomputeLevel> levels;
    for (std::size_t layer = 0; layer < count; ++layer) {
        levels.push_back(now.layers.recomputeOf(layer));
    }
    const RecomputeLevel richest = *std::ranges::min_element(levels);
    if (richest >= RecomputeLevel::Full) {
        return std::nullopt;
    }
    const auto deeper = static_cast<RecomputeLevel>(static_cast<int>(richest) + 1);
    const auto changed = std::ranges::count(levels, richest);
    std::ranges::replace(levels, richest, deeper);
    LeanerStep leaner{now, {}};
    leaner.memory.layers.recompute = levels;
    leaner.change = fmt::format("{} of {} layers compute more again (recompute {} instead of {})",
                                changed, count, enumName(deeper), enumName(richest));
    return leaner;
}

std::optional<LeanerStep> onTheHost(const StepMemory& now, const StepScope& scope)
{
    if (now.layers.offload || !scope.mayOffload || scope.layerCount < 2) {
        return std::nullopt;
    }
    LeanerStep leaner{now, "the layers' inputs wait in the memory of the host"};
    leaner.memory.layers.offload = true;
    return leaner;
}

} // namespace

std::optional<LeanerStep> leanerStep(const StepMemory& now, const StepScope& scope)
{
    if (auto leaner = smallerTile(now, scope)) {
        return leaner;
    }
    if (auto leaner = fewerRows(now)) {
        return leaner;
    }
    if (auto leaner = deeperRecompute(now, scope)) {
        return leaner;
    }
    return onTheHost(now, scope);
}

} // namespace longlora
