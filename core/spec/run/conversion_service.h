// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/run/conversion_report.h"

#include <filesystem>
#include <string>

namespace longlora {

struct ImportRequest {
    std::filesystem::path file;   ///< GGUF
    std::filesystem::path output; ///< new model folder
    std::string dtype = "auto";   ///< "fp32", "bf16", "f16"; auto: without loss
};

/// Threading: importGguf() is called from a background thread and blocks.
class ConversionService {
public:
    virtual ~ConversionService() = default;
    /// Throws: Error kinds; Cancelled when `progress` returns false. Either leaves nothing behind.
    virtual ConversionReport importGguf(const ImportRequest& request,
                                        const ProgressCallback& progress) = 0;
};

} // namespace longlora
