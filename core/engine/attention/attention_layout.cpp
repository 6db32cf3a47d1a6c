// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/attention/attention_layout.h"

#include "core/spec/base/error.h"

#include <fmt/format.h>

#include <algorithm>

namespace longlora {

namespace {

using Segment = S2Pattern::Segment;

/// Joins neighbours of equal length into runs.
void appendRuns(std::vector<SegmentRun>& runs, std::int64_t row,
                const std::vector<Segment>& segments)
{
    const std::size_t first = runs.size();
    for (const Segment& segment : segments) {
        const std::int64_t length = segment.end - segment.begin;
        if (runs.size() > first) {
            SegmentRun& last = runs.back();
            if (last.length == length && last.begin + last.count * last.length == segment.begin) {
                ++last.count;
                continue;
            }
        }
        runs.push_back({row, segment.begin, length, 1});
    }
}

/// Cuts `segments` wherever a document begins.
std::vector<Segment> cutAtDocuments(const std::vector<Segment>& segments,
                                    const std::vector<std::int64_t>& starts)
{
    std::vector<Segment> pieces;
    for (const Segment& segment : segments) {
        std::int64_t begin = segment.begin;
        for (auto start = std::upper_bound(starts.begin(), starts.end(), begin);
             start != starts.end() && *start < segment.end; ++start) {
            pieces.push_back({begin, *start});
            begin = *start;
        }
        pieces.push_back({begin, segment.end});
    }
    return pieces;
}

bool hasSeveralDocuments(const DocumentStarts& documents)
{
    return std::any_of(documents.begin(), documents.end(),
                       [](const auto& starts) { return starts.size() > 1; });
}

std::vector<SegmentRun> segmentRuns(const std::vector<Segment>& segments, std::int64_t batch,
                                    const DocumentStarts& documents)
{
    std::vector<SegmentRun> runs;
    if (!hasSeveralDocuments(documents)) {
        appendRuns(runs, -1, segments);
        return runs;
    }
    for (std::int64_t row = 0; row < batch; ++row) {
        appendRuns(runs, row, cutAtDocuments(segments, documents[static_cast<std::size_t>(row)]));
    }
    return runs;
}

/// Calls visit(segment) for every segment of `row` that a tile [begin, end) has a part of.
template <class Visit>
void forEachSegment(const HeadLayout& half, std::int64_t row, std::int64_t begin, std::int64_t end,
                    const Visit& visit)
{
    for (const SegmentRun& run : half.runs) {
        if (run.row >= 0 && run.row != row) {
            continue;
        }
        const std::int64_t skipped =
            std::clamp<std::int64_t>((begin - run.begin) / run.length, 0, run.count);
        for (std::int64_t i = skipped; i < run.count; ++i) {
            const Segment segment{run.begin + i * run.length, run.begin + (i + 1) * run.length};
            if (segment.begin >= end) {
                break;
            }
            if (segment.end > begin) {
                visit(segment);
            }
        }
    }
}

/// Tokens before `begin` that a token from there on sees.
std::int64_t haloTokens(const AttentionLayout& whole, std::int64_t row, std::int64_t begin,
                        std::int64_t end)
{
    std::int64_t first = begin;
    for (const HeadLayout& half : whole.halves) {
        forEachSegment(half, row, begin, end,
                       [&](const Segment& segment) { first = std::min(first, segment.begin); });
    }
    return begin - first;
}

} // namespace

LayoutTile layoutTile(const AttentionLayout& whole, std::int64_t row, std::int64_t begin,
                      std::int64_t end)
{
    LayoutTile tile;
    tile.halo = haloTokens(whole, row, begin, end);
    const std::int64_t first = begin - tile.halo;
    tile.layout = {1, end - first, {}, whole.window};
    for (const HeadLayout& half : whole.halves) {
        std::vector<Segment> segments;
        forEachSegment(half, row, begin, end, [&](const Segment& segment) {
            segments.push_back({segment.begin - first, std::min(segment.end, end) - first});
        });
        HeadLayout part{half.firstHead, half.endHead, half.roll, {}};
        appendRuns(part.runs, -1, segments);
        tile.layout.halves.push_back(std::move(part));
    }
    return tile;
}

bool canTile(const AttentionLayout& whole, std::int64_t tile)
{
    const bool isRolled = std::any_of(whole.halves.begin(), whole.halves.end(),
                                      [](const HeadLayout& half) { return half.roll != 0; });
    if (isRolled || tile <= 0 || tile >= whole.length) {
        return false;
    }
    for (std::int64_t row = 0; row < whole.batch; ++row) {
        for (std::int64_t begin = tile; begin < whole.length; begin += tile) {
            if (haloTokens(whole, row, begin, std::min(begin + tile, whole.length)) > tile) {
                return false;
            }
        }
    }
    return true;
}

AttentionLayout attentionLayout(const AttentionSpec& spec, std::int64_t headCount,
                                std::int64_t batch, std::int64_t length,
                                const DocumentStarts& documents)
{
    AttentionLayout layout{batch, length, {}, spec.window};
    if (spec.kind == AttentionKind::Full) {
        layout.halves.push_back({0, headCount, 0, segmentRuns({{0, length}}, batch, documents)});
        return layout;
    }
    if (spec.edge == GroupEdge::Circular && hasSeveralDocuments(documents)) {
        throw ConfigError("attention.edge circular cannot keep packed documents apart",
                          "set attention.edge to clipped, or data.mask_documents to false");
    }
    if (spec.edge == GroupEdge::Circular && spec.window > 0 && spec.group > spec.window) {
        throw ConfigError(fmt::format("attention.edge circular cannot keep the model's sliding "
                                      "window of {} in groups of {}",
                                      spec.window, spec.group),
                          "set attention.edge to clipped, or attention.group to the window");
    }
    const S2Pattern pattern{length, spec.group, spec.edge};
    const std::int64_t plain = plainHeadCount(headCount);
    const auto addHalf = [&](HeadHalf half, std::int64_t first, std::int64_t end) {
        if (first < end) {
            layout.halves.push_back({first, end, pattern.roll(half),
                                     segmentRuns(pattern.segments(half), batch, documents)});
        }
    };
    addHalf(HeadHalf::Plain, 0, plain);
    addHalf(HeadHalf::Shifted, plain, headCount);
    return layout;
}

} // namespace longlora
