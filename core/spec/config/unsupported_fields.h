// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/json_object.h"

namespace longlora {

/// Refuses the keys of a config.json by which published models say that they compute something we
/// do not: mixtures of experts, other attentions, other positions, multipliers of activations. Keys
/// that are off (null, false, 0, empty; of multipliers 1) pass, and so do keys that nobody is known
/// to compute with. Throws: FormatError naming file, key and value.
void refuseUnsupportedFields(const JsonObject& config);

} // namespace longlora
