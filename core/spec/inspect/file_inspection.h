// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/inspect/inspection.h"

#include <filesystem>

namespace longlora {

/// What files without tensors hold; what is wrong with them is told, not thrown. Cancelled when
/// `progress` returns false.

/// Ids of 16 or 32 bits look alike; both counts are told, and the largest id by each reading.
Inspection inspectTokenFile(const std::filesystem::path& file);
/// One row a line, read as training reads it.
Inspection inspectJsonl(const std::filesystem::path& file, const ProgressCallback& progress);
Inspection inspectText(const std::filesystem::path& file);
/// A folder with a tokenizer and no model, or one of the two files.
Inspection inspectTokenizer(const std::filesystem::path& path);

} // namespace longlora
