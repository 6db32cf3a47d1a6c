// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>

namespace longlora {

/// Positions whose logits exist at one time: what the loss is computed with, and planned with.
inline constexpr std::int64_t kLossChunkTokens = 1024;

} // namespace longlora
