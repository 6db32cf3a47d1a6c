// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/attention/s2_pattern.h"

#include <cstdint>
#include <vector>

namespace longlora {

/// Which attention a forward pass uses.
struct AttentionSpec {
    AttentionKind kind = AttentionKind::Full;
    std::int64_t group = 0; ///< tokens, for S2
    GroupEdge edge = GroupEdge::Clipped;
    /// Tokens that a token sees, itself the last of them: the model's slidingWindow; 0: all.
    std::int64_t window = 0;
};

/// Starts of the documents in each row of a batch (ascending, first 0). Empty: one document a row.
using DocumentStarts = std::vector<std::vector<std::int64_t>>;

/// Equal, adjacent segments that one dense causal call can do: `count` segments of `length` tokens
/// from `begin` on, in batch row `row` (-1: in every row).
struct SegmentRun {
    std::int64_t row = -1;
    std::int64_t begin = 0;
    std::int64_t length = 0;
    std::int64_t count = 0;
};

/// The heads [firstHead, endHead) and the segments they attend in, in ranks after rolling left.
struct HeadLayout {
    std::int64_t firstHead = 0;
    std::int64_t endHead = 0;
    std::int64_t roll = 0; ///< tokens
    std::vector<SegmentRun> runs;
};

/// Everything segmentedAttention needs to know beside q, k and v. Made once per batch.
struct AttentionLayout {
    std::int64_t batch = 0;
    std::int64_t length = 0;
    std::vector<HeadLayout> halves;
    std::int64_t window = 0; ///< inside segments; 0: none

    /// The window that counts in segments of `segmentLength`; 0: they fit into it.
    std::int64_t windowIn(std::int64_t segmentLength) const
    {
        return segmentLength > window ? window : 0;
    }
};

/// Full attention, or S2Pattern's segments cut at document borders.
/// Throws: ConfigError for documents, or a window below the group, under the circular edge: they
/// have no meaning there.
AttentionLayout attentionLayout(const AttentionSpec& spec, std::int64_t headCount,
                                std::int64_t batch, std::int64_t length,
                                const DocumentStarts& documents = {});

/// Tokens of one row of a layout, apart from the others. In front of them stand those that they
/// see: `halo` tokens whose keys count, whose queries do not.
struct LayoutTile {
    AttentionLayout layout; ///< one row: halo, then tile
    std::int64_t halo = 0;
};
/// [begin, end) of `row`. Nothing may be rolled (GroupEdge::Circular).
LayoutTile layoutTile(const AttentionLayout& whole, std::int64_t row, std::int64_t begin,
                      std::int64_t end);

/// Whether a row falls apart into tiles of `tile` tokens, none of which sees more than the one
/// before it.
bool canTile(const AttentionLayout& whole, std::int64_t tile);

} // namespace longlora
