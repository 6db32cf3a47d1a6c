// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/merge_source.h"
#include "core/spec/base/progress.h"
#include "core/spec/run/services.h"

namespace longlora {

/// Runs both models over the same text with full attention in fp32, layer by layer side by side so
/// that never more than two layers are in memory, and compares all logits. The text is made of
/// `tokens` ids drawn from a fixed generator. Fills the report's comparison.
/// Throws: Cancelled.
void compareLogits(const MergeSource& unmerged, const MergeSource& merged, std::int64_t tokens,
                   const ProgressCallback& progress, MergeReport& report);

/// Throws: FormatError naming `folder` if the figures say that the merge went wrong. Stored as fp32
/// (or fp64) the largest error may be 1e-3 of the largest logit: everything above rounding. Stored
/// in 16 bits the rounding of each weight shows, and grows with depth: the mean error may be 5 % of
/// the largest logit, where unrelated logits differ by about a quarter of it.
void requireSameLogits(const MergeReport& report, at::ScalarType dtype,
                       const std::filesystem::path& folder);

} // namespace longlora
