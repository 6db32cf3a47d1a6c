// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/tensor/torch_compat.h"

#include <string>

namespace longlora {

/// What a run ran on, as JSON: versions, device, threads, precision, memory, host.
std::string environmentJson(const ComputePlace& place);

} // namespace longlora
