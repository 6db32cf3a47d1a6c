// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"

#include <ATen/core/Tensor.h>

#include <filesystem>

namespace longlora::test {

/// A Llama of that many layers, a gigabyte in bf16 at (16, 2048): random weights, all alike, never
/// in memory whole. Vocabulary 32,000, context 256.
ModelConfig largeModelConfig(std::int64_t layers, std::int64_t hidden);
/// Writes it as a Hugging Face folder in files of at most `maxShardBytes`.
void writeLargeModel(const std::filesystem::path& folder, const ModelConfig& config,
                     at::ScalarType dtype, double maxShardBytes);
/// An adapter of LongLoRA's usual kind for it: q, k, v, o, embeddings and norms.
void writeLargeAdapter(const std::filesystem::path& folder, const ModelConfig& config);

} // namespace longlora::test
