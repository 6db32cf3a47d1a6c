// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/lora_targets.h"

#include "core/spec/config/model_weights.h"

#include <algorithm>
#include <set>

namespace longlora {

namespace {

using Names = std::vector<std::string>;

bool holds(const Names& names, const std::string& name)
{
    return std::ranges::find(names, name) != names.end();
}

/// Whether `targets` are what that choice means in some family.
bool isWholeChoice(const Names& targets, bool onlyAttention)
{
    const std::set<std::string_view> chosen(targets.begin(), targets.end());
    return std::ranges::any_of(modelFamilies(), [&](const ModelFamily& family) {
        std::set<std::string_view> whole;
        for (std::size_t i = 0; i < kModelPartCount; ++i) {
            const auto part = static_cast<ModelPart>(i);
            const bool isWanted = onlyAttention ? isAttentionLinear(part) : isLayerLinear(part);
            if (isWanted && !family.module(part).empty()) {
                whole.insert(family.loraName(part));
            }
        }
        return whole == chosen;
    });
}

} // namespace

CarriedTargets carryTargets(const std::vector<std::string>& targets, const ModelConfig& model)
{
    const Names own = loraTargets(model);
    const Names known = knownLoraTargets();
    CarriedTargets carried;
    for (const std::string& target : targets) {
        const bool isOthers = holds(known, target) && !holds(own, target);
        (isOthers ? carried.dropped : carried.targets).push_back(target);
    }
    if (carried.dropped.empty()) {
        return carried;
    }
    if (isWholeChoice(targets, false)) {
        carried.targets = own;
    } else if (carried.targets.empty() || isWholeChoice(targets, true)) {
        carried.targets = loraTargets(model, true);
    }
    return carried;
}

} // namespace longlora
