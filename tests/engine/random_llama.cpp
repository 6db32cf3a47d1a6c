// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/engine/random_llama.h"

#include "core/engine/model/random_model.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <random>

namespace longlora::test {

DecoderModel randomLlama(std::int64_t headCount, std::int64_t kvHeadCount, at::ScalarType dtype,
                         const RopeScaling& rope)
{
    ModelConfig config;
    config.architecture = "LlamaForCausalLM";
    config.vocabularySize = 61;
    config.headDim = 8;
    config.hiddenSize = headCount * config.headDim;
    config.intermediateSize = 2 * config.hiddenSize;
    config.layerCount = 3;
    config.headCount = headCount;
    config.kvHeadCount = kvHeadCount;
    config.maxPositionEmbeddings = 128;
    config.rope = rope;
    return randomModel(config, 7, {at::kCPU, dtype});
}

std::vector<TokenId> randomIds(std::size_t count, std::int64_t vocabulary, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    std::vector<TokenId> ids(count);
    std::generate(ids.begin(), ids.end(), [&] {
        return static_cast<TokenId>(random() % static_cast<std::uint64_t>(vocabulary));
    });
    return ids;
}

at::Tensor idRow(const std::vector<TokenId>& ids)
{
    return at::tensor(ids, at::kInt).to(at::kLong).unsqueeze(0);
}

double relativeError(const at::Tensor& a, const at::Tensor& b)
{
    const at::Tensor wide = b.to(at::kDouble);
    return ((a.to(at::kDouble) - wide).abs().max() / wide.abs().max()).item<double>();
}

} // namespace longlora::test
