// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <vector>

namespace longlora {

struct ModelConfig;

/// LoRA's targets after another model has taken the place of the one they were chosen for.
struct CarriedTargets {
    std::vector<std::string> targets;
    std::vector<std::string> dropped; ///< names of other families that this model has not

    bool operator==(const CarriedTargets&) const = default;
};

/// Keeps what `model` has too. Where that loses something, a whole choice stays whole: all of one
/// family's attention, or all its linear maps, become `model`'s; and where nothing is left, its
/// attention is taken. Names that no family has stay, for validate() to tell.
CarriedTargets carryTargets(const std::vector<std::string>& targets, const ModelConfig& model);

} // namespace longlora
