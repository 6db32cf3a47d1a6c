// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/units.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>

namespace longlora {

namespace {

/// At most three significant digits, no trailing zeros: 1.25, 12.5, 640.
std::string threeDigits(double value)
{
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    std::string text = fmt::format("{:.{}f}", value, decimals);
    if (text.find('.') != std::string::npos) {
        text.erase(text.find_last_not_of('0') + 1);
        if (text.back() == '.') {
            text.pop_back();
        }
    }
    return text;
}

} // namespace

std::string formatBytes(double bytes)
{
    if (!std::isfinite(bytes)) {
        return "unknown";
    }
    if (bytes < 0) {
        return fmt::format("-{}", formatBytes(-bytes));
    }
    constexpr std::array<std::string_view, 6> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    std::size_t unit = 0;
    // 1023.6 would be shown as "1024": the next unit is the better one.
    while (bytes >= 1023.5 && unit + 1 < kUnits.size()) {
        bytes /= 1024.0;
        ++unit;
    }
    return (unit == 0 ? fmt::format("{:.0f}", bytes) : threeDigits(bytes)) + ' ' +
           std::string(kUnits[unit]);
}

std::string formatDuration(double seconds)
{
    if (!std::isfinite(seconds)) {
        return "unknown";
    }
    if (seconds < 0) {
        return fmt::format("-{}", formatDuration(-seconds));
    }
    if (seconds == 0) {
        return "0 s";
    }
    if (seconds < 0.9995) {
        return threeDigits(seconds * 1e3) + " ms";
    }
    if (seconds < 9.95) {
        return fmt::format("{:.1f} s", seconds);
    }
    const std::int64_t whole = std::llround(seconds);
    if (whole < 60) {
        return fmt::format("{} s", whole);
    }
    if (whole < 3600) {
        return fmt::format("{} min {} s", whole / 60, whole % 60);
    }
    const std::int64_t minutes = (whole + 30) / 60;
    if (minutes < 48 * 60) {
        return fmt::format("{} h {} min", minutes / 60, minutes % 60);
    }
    const std::int64_t hours = (minutes + 30) / 60;
    return fmt::format("{} d {} h", hours / 24, hours % 24);
}

std::string formatCount(std::int64_t count)
{
    std::string digits = std::to_string(count);
    const std::ptrdiff_t first = count < 0 ? 1 : 0;
    for (std::ptrdiff_t at = std::ssize(digits) - 3; at > first; at -= 3) {
        digits.insert(static_cast<std::size_t>(at), 1, ',');
    }
    return digits;
}

} // namespace longlora
