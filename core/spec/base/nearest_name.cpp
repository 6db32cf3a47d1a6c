// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/nearest_name.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace longlora {

namespace {

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from `a` to `b`, case
/// ignored.
std::size_t editDistance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> twoBack(b.size() + 1);
    std::vector<std::size_t> previous(b.size() + 1);
    std::vector<std::size_t> current(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        previous[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        current[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            current[j] =
                std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (same ? 0 : 1)});
            const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                                 lower(a[i - 2]) == lower(b[j - 1]);
            if (swapped) {
                current[j] = std::min(current[j], twoBack[j - 2] + 1);
            }
        }
        std::swap(twoBack, previous);
        std::swap(previous, current);
    }
    return previous[b.size()];
}

} // namespace

std::string nearestName(std::string_view name, std::span<const std::string_view> candidates)
{
    // Longer names are not typed by hand; the bound keeps hostile keys cheap.
    constexpr std::size_t kLongestName = 200;
    if (name.size() > kLongestName) {
        return {};
    }
    std::string_view best;
    std::size_t bestDistance = std::numeric_limits<std::size_t>::max();
    for (const std::string_view candidate : candidates) {
        const std::size_t distance = editDistance(name, candidate);
        if (distance < bestDistance) {
            best = candidate;
            bestDistance = distance;
        }
    }
    const std::size_t plausible = std::max<std::size_t>(2, name.size() / 3);
    return bestDistance <= plausible ? std::string(best) : std::string();
}

} // namespace longlora
