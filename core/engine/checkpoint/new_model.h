// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"

#include <cstdint>
#include <filesystem>

namespace longlora {

/// Writes a model with random weights (randomModel with startWithInductionHeads) as an
/// fp32 Hugging Face folder, for training from nothing. `folder` exists; tokenizer files are copied
/// from `tokenizerFolder`. Throws: DataError.
void writeNewModel(const ModelConfig& config, std::int64_t seed,
                   const std::filesystem::path& folder,
                   const std::filesystem::path& tokenizerFolder);

} // namespace longlora
