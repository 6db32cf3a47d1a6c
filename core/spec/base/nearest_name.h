// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace longlora {

/// The candidate with the smallest edit distance to `name`; empty if none is plausibly meant
/// (distance above a third of the name's length, at least 2).
std::string nearestName(std::string_view name, std::span<const std::string_view> candidates);

} // namespace longlora
