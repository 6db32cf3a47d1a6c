// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/adapter.h"

namespace longlora {

/// The configuration of `base` under `adapter`: its rope, its context, and whether the head is
/// still tied to the embedding. Throws: DataError if the adapter is of another base, as
/// attachAdapter.
ModelConfig configWithAdapter(const ModelConfig& base, const Adapter& adapter,
                              const std::string& modelFingerprint);

} // namespace longlora
