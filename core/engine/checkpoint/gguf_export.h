// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/config/model_config.h"
#include "core/spec/run/conversion_report.h"

#include <filesystem>
#include <string>

namespace longlora {

struct GgufExportRequest {
    std::filesystem::path model;  ///< a Hugging Face folder
    std::filesystem::path output; ///< a new file
    std::string dtype = "f16";    ///< "fp32", "f16", "bf16", "q8_0": of matrices; vectors are fp32
};

/// A Hugging Face folder -> a GGUF file of version 3, laid out as llama.cpp's converter does:
/// names, order of rows, metadata, rotary scaling, tokenizer, chat template. Streams tensor by
/// tensor, a few megabytes at a time, into a temporary file that is read back and compared before
/// it gets its name. Throws: ConfigError (output exists, dtype unknown), DataError (no space:
/// checked first; what llama.cpp would compute otherwise, by name; a number too large for f16),
/// FormatError, Cancelled.
ConversionReport exportGguf(const GgufExportRequest& request, const ProgressCallback& progress);

/// What exportGguf would refuse in a model of this config with the tokenizer of this folder, told
/// without its weights. Throws: ConfigError, DataError, FormatError.
void requireExportable(const ModelConfig& config, const std::filesystem::path& tokenizerFolder,
                       const std::string& dtype);

} // namespace longlora
