// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event.h"

#include <optional>
#include <string>
#include <string_view>

namespace longlora {

/// One line of JSON without a line feed: {"type": "step", "run": ..., "rank": 0, "sequence": 7,
/// "time": ..., then the body's fields in snake_case}. Numbers survive the round trip exactly;
/// non-finite ones are written as null and read as NaN.
std::string eventToJson(const Event& event);

/// Empty for a line that is not an event of a known type (a newer version's, a torn one).
std::optional<Event> eventFromJson(std::string_view line);

} // namespace longlora
