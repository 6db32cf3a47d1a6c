// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/run/conversion_report.h"

#include <filesystem>
#include <string>

namespace longlora {

struct GgufImportRequest {
    std::filesystem::path file;
    std::filesystem::path output; ///< a new folder
    /// "fp32", "bf16", "f16"; auto: the narrowest that holds every number exactly.
    std::string dtype = "auto";
};

/// A GGUF file -> a Hugging Face folder: weights in one safetensors file, config.json,
/// generation_config.json, and the tokenizer with its chat template from the metadata. Streams
/// tensor by tensor, into a sibling folder that is renamed at the end: complete or absent. What is
/// written is read back as anybody would. Throws: ConfigError (output exists, dtype unknown),
/// DataError (no space: checked first; a number too large for the dtype), FormatError (what is not
/// supported, by name), Cancelled.
ConversionReport importGguf(const GgufImportRequest& request, const ProgressCallback& progress);

} // namespace longlora
