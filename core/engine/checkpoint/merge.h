// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/services.h"

namespace longlora {

/// Base + adapter -> a Hugging Face folder of its own: W + scale B A in fp32, cast once; trained
/// embeddings and norms put in; the rope the adapter was trained with written into config.json; a
/// trained embedding of a tied base unties the head (unless the adapter keeps the tying). Streams
/// tensor by tensor into one file. With `verify` the logits of base + adapter and of the folder as
/// written are compared on a text as long as the extended context (at most 4,096 tokens), and the
/// file is read back and compared with what was meant. Merged to fp32, the largest error must not
/// exceed 1e-3 of the largest logit; merged to 16 bits, whose rounding shows, the mean error must
/// not exceed 5 % of it. Everything is written into a sibling folder that is renamed at the end:
/// complete or absent. Throws: ConfigError (output exists, dtype unknown), DataError (no space:
/// checked first), FormatError (also if the comparison fails), Cancelled.
MergeReport mergeAdapter(const MergeRequest& request, const ProgressCallback& progress);

} // namespace longlora
