// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/content_hash.h"
#include "core/engine/checkpoint/merge_source.h"
#include "core/engine/checkpoint/weight_shards.h"
#include "core/spec/base/progress.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace longlora {

/// Of each tensor's bytes as they were to be written, by name.
using WrittenHashes = std::map<std::string, ContentHash::Value>;

/// Writes the merged weights into `folder`: the files of `shards`, and an index if there are
/// several. One thread computes a block while another hashes and writes the one before; the disk
/// works meanwhile. Progress counts bytes. Throws: DataError (values beyond the dtype, no space),
/// Cancelled between two blocks.
WrittenHashes writeMergedWeights(const MergeSource& source, const std::vector<WeightShard>& shards,
                                 const std::filesystem::path& folder,
                                 const ProgressCallback& progress);

} // namespace longlora
