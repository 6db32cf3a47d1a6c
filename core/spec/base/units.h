// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>

namespace longlora {

/// "1.25 GiB", "640 MiB", "12 KiB", "17 B".
std::string formatBytes(double bytes);
/// "2 h 14 min", "3 min 20 s", "4.2 s", "35 ms".
std::string formatDuration(double seconds);
/// Thousands separated by commas: "1,234,567".
std::string formatCount(std::int64_t count);

} // namespace longlora
