// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/loaded_model.h"
#include "core/spec/base/progress.h"
#include "core/spec/text/tokenizer.h"

#include <filesystem>
#include <vector>

namespace longlora::app {

/// The tokens of a held-out file: all its documents in order, without the BOS of the first and the
/// EOS of the last; ready ids as they are. Throws: what readDocuments throws.
std::vector<TokenId> readHeldOutTokens(const std::filesystem::path& file, const LoadedModel& model,
                                       const ProgressCallback& progress);

} // namespace longlora::app
