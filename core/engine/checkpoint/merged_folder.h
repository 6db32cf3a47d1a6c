// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/merge_plan.h"

#include <filesystem>

namespace longlora {

/// Writes what stands beside the weights of a merged model: config.json with the rotary embedding
/// in the spelling that old and new readers accept, generation_config.json, tokenizer and chat
/// template. Where the base's files limit a text to less than the extended context
/// (model_max_length of tokenizer_config.json, max_length of generation_config.json), they say the
/// context instead. Throws: DataError, FormatError.
void writeMergedFolder(const MergeRequest& request, const MergePlan& plan,
                       const std::filesystem::path& folder);

} // namespace longlora
