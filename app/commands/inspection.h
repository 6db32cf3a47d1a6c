// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/inspect/inspection.h"

#include <string>

namespace longlora::app {

/// Looks at everything a reader would trip over: files, shapes, ranges, numbers that are not
/// finite. `folderOrFile` may be a name in the Hugging Face cache. Throws: DataError if there is
/// nothing there, or nothing of a kind that this program knows; Cancelled.
Inspection inspect(const std::string& folderOrFile, const ProgressCallback& progress);

} // namespace longlora::app
