// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace longlora::app {

/// What a path holds and what is wrong with it.
struct Inspection {
    using Value = std::variant<std::string, std::int64_t, double, bool>;

    std::string kind; ///< "model", "adapter", "run", "safetensors", "token file", "text"
    std::vector<std::pair<std::string, Value>> facts; ///< in reading order, snake_case names
    std::vector<std::string> problems;                ///< each one line; none: all is well
};

/// Looks at everything a reader would trip over: files, shapes, ranges, numbers that are not
/// finite. `folderOrFile` may be a name in the Hugging Face cache. Throws: DataError if there is
/// nothing of the kinds above; Cancelled.
Inspection inspect(const std::string& folderOrFile, const ProgressCallback& progress);

} // namespace longlora::app
