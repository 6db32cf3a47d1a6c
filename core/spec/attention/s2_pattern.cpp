// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/attention/s2_pattern.h"

#include <algorithm>

namespace longlora {

namespace {

/// Tokens before the first border of clipped shifted heads, and the roll of circular ones.
std::int64_t shiftOf(std::int64_t group)
{
    return group / 2;
}

double causalPairs(std::int64_t tokens)
{
    const auto n = static_cast<double>(tokens);
    return n * (n + 1.0) / 2.0;
}

/// Pairs in groups of `group` over `tokens` tokens, the last group short.
double groupedPairs(std::int64_t tokens, std::int64_t group)
{
    return static_cast<double>(tokens / group) * causalPairs(group) + causalPairs(tokens % group);
}

} // namespace

std::vector<S2Pattern::Segment> S2Pattern::segments(HeadHalf half) const
{
    std::vector<Segment> result;
    std::int64_t begin = 0;
    if (half == HeadHalf::Shifted && edge == GroupEdge::Clipped) {
        begin = std::min(shiftOf(group), length);
        if (begin > 0) {
            result.push_back({0, begin});
        }
    }
    for (; begin < length; begin += group) {
        result.push_back({begin, std::min(begin + group, length)});
    }
    return result;
}

std::int64_t S2Pattern::roll(HeadHalf half) const
{
    const bool rolls = half == HeadHalf::Shifted && edge == GroupEdge::Circular && length > 0;
    return rolls ? shiftOf(group) % length : 0;
}

bool S2Pattern::visible(HeadHalf half, std::int64_t query, std::int64_t key) const
{
    if (half == HeadHalf::Shifted && edge == GroupEdge::Clipped) {
        const std::int64_t ahead = group - shiftOf(group);
        return key <= query && (query + ahead) / group == (key + ahead) / group;
    }
    const std::int64_t back = length - roll(half);
    const std::int64_t queryRank = (query + back) % length;
    const std::int64_t keyRank = (key + back) % length;
    return keyRank <= queryRank && queryRank / group == keyRank / group;
}

double S2Pattern::pairsPerHead() const
{
    const double plain = groupedPairs(length, group);
    if (edge == GroupEdge::Circular) {
        return plain;
    }
    const std::int64_t head = std::min(shiftOf(group), length);
    return (plain + causalPairs(head) + groupedPairs(length - head, group)) / 2.0;
}

} // namespace longlora
