// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/gguf/gguf_file.h"
#include "core/spec/config/model_config.h"

namespace longlora {

/// The model in `file` with its whole rotary embedding: readGgufConfig, and the divisors of
/// rope_freqs.weight put in. Throws: FormatError.
ModelConfig readGgufModel(const GgufFile& file);

} // namespace longlora
