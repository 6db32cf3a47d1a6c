// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/merge_service.h"

namespace longlora {

/// Base + adapter -> a Hugging Face folder of its own: W + scale B A in fp32, cast once; trained
/// embeddings and norms put in; the rope the adapter was trained with written into config.json; a
/// trained embedding of a tied base unties the head (unless the adapter keeps the tying). Streams
/// block by block: memory holds the adapter and a few megabytes of any one tensor. With `verify`
/// the files are read back from the disk and compared with what was meant, and the logits of base +
/// adapter and of the folder as written are compared on a text as long as the extended context (at
/// most 4,096 tokens). Merged to fp32, the largest error must not exceed 1e-3 of the largest logit;
/// merged to 16 bits, whose rounding shows, the mean error must not exceed 5 % of it. Everything is
/// written into a sibling folder that is renamed at the end: complete or absent; an older output
/// that is replaced lies beside it under another name.
/// Throws: ConfigError (output exists, dtype unknown), DataError (no space, no memory: checked
/// first), FormatError (also if the comparison fails), Cancelled.
MergeReport mergeAdapter(const MergeRequest& request, const ProgressCallback& progress);

/// What mergeAdapter would do. Reads headers, and the first 4 KiB of each tensor for the
/// fingerprint. Throws: as mergeAdapter, but not for an output that exists or too little room.
MergePreview examineMerge(const MergeRequest& request);

} // namespace longlora
