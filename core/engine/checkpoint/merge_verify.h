// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/merge_weights.h"
#include "core/spec/base/progress.h"
#include "core/spec/run/merge_service.h"

namespace longlora {

/// Runs both models over the same text with full attention in fp32, layer by layer side by side,
/// and compares all logits. Of either model one layer is in memory, or a block of embedding or
/// head. The text is made of `tokens` ids drawn from a fixed generator. Every tensor of `merged` is
/// hashed as it is read and compared with `written`. Fills the report's comparison.
/// Throws: FormatError naming a tensor that reads back other than it was written; Cancelled.
void compareLogits(const MergeSource& unmerged, const MergeSource& merged, std::int64_t tokens,
                   const WrittenHashes& written, const ProgressCallback& progress,
                   MergeReport& report);

/// Bytes that compareLogits takes at most, about.
double comparisonBytes(const ModelConfig& config, std::int64_t tokens);

/// Throws: FormatError naming `folder` if the figures say that the merge went wrong. Stored as fp32
/// (or fp64) the largest error may be 1e-3 of the largest logit: everything above rounding. Stored
/// in 16 bits the rounding of each weight shows, and grows with depth: the mean error may be 5 % of
/// the largest logit, where unrelated logits differ by about a quarter of it.
void requireSameLogits(const MergeReport& report, at::ScalarType dtype,
                       const std::filesystem::path& folder);

} // namespace longlora
