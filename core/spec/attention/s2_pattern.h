// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"

#include <cstdint>
#include <vector>

namespace longlora {

enum class HeadHalf { Plain, Shifted };

/// Who attends to whom in shifted sparse attention, as an index function. The kernels, the dense
/// oracle, the planner and the drawn picture all read this one description.
///
/// Heads 0 .. floor(H/2)-1 are plain, the others shifted by half a group. Inside a segment
/// attention is causal. Any length; the last segment may be short.
/// Source: Chen et al. 2024 (arXiv:2309.12307), sec. 3.2; Clipped is the variant in which no token
/// sees a later one, Circular the paper's roll, in which the first half group sees the last.
struct S2Pattern {
    std::int64_t length = 0; ///< tokens
    std::int64_t group = 0;  ///< tokens, >= 1; group >= length means full attention in plain heads
    GroupEdge edge = GroupEdge::Clipped;

    /// Half-open range of ranks; rank r of the shifted half in Circular stands for token
    /// (r + roll) mod length, everywhere else for token r.
    struct Segment {
        std::int64_t begin = 0;
        std::int64_t end = 0;
        bool operator==(const Segment&) const = default;
    };

    /// Segments in rank order; together they cover [0, length).
    std::vector<Segment> segments(HeadHalf half) const;
    /// Tokens by which the half is rolled left: group / 2 (mod length) for the shifted half in
    /// Circular, else 0.
    std::int64_t roll(HeadHalf half) const;
    /// Whether query token i sees key token j.
    bool visible(HeadHalf half, std::int64_t query, std::int64_t key) const;
    /// Query-key pairs computed per head, both halves averaged: what the cost is counted from.
    double pairsPerHead() const;
};

/// Heads 0 .. plainHeadCount-1 are plain.
constexpr std::int64_t plainHeadCount(std::int64_t headCount)
{
    return headCount / 2;
}

} // namespace longlora
