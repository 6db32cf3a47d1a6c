// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/model/decoder_model.h"
#include "core/spec/text/tokenizer.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace longlora::test {

/// A model of random weights on the CPU, 3 layers, vocabulary 61, head_dim 8.
DecoderModel randomLlama(std::int64_t headCount, std::int64_t kvHeadCount, at::ScalarType dtype,
                         const RopeScaling& rope = {});

/// Reproducible ids below `vocabulary`.
std::vector<TokenId> randomIds(std::size_t count, std::int64_t vocabulary, std::uint64_t seed);

/// [1, count] int64.
at::Tensor idRow(const std::vector<TokenId>& ids);

/// max |a - b| / max |b|.
double relativeError(const at::Tensor& a, const at::Tensor& b);

} // namespace longlora::test
