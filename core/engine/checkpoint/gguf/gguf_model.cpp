// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/gguf_model.h"

#include "core/engine/checkpoint/gguf/dequantize.h"
#include "core/engine/checkpoint/gguf/gguf_config.h"
#include "core/engine/checkpoint/gguf/gguf_rope.h"
#include "core/spec/base/error.h"
#include "core/spec/config/rope_json.h"

#include <fmt/format.h>

namespace longlora {

namespace {

/// `rope` with the divisors of rope_freqs.weight, where the file has them.
RopeScaling withFactors(const GgufFile& file, const ModelConfig& config)
{
    const GgufTensor* const tensor = file.header().find(kRopeFactorsName);
    if (tensor == nullptr) {
        return config.rope;
    }
    const std::string& name = file.metadata().file();
    if (tensor->type != GgmlType::F32 || tensor->sizes.size() != 1 ||
        tensor->sizes.front() != config.rotaryDim() / 2) {
        throw FormatError(name, fmt::format("tensor {}, offset {}", tensor->name, tensor->offset),
                          fmt::format("must be {} numbers of 32 bits", config.rotaryDim() / 2));
    }
    std::vector<float> factors(static_cast<std::size_t>(tensor->count()));
    dequantize(tensor->type, file.data(*tensor), tensor->count(), factors.data());
    return withRopeFactors(config.rope, factors, config.maxPositionEmbeddings, name);
}

} // namespace

ModelConfig readGgufModel(const GgufFile& file)
{
    const GgufHeader& header = file.header();
    ModelConfig config = readGgufConfig(header);
    for (const char* name : {"rope_factors_long.weight", "rope_factors_short.weight"}) {
        if (header.find(name) != nullptr) {
            throw FormatError(header.metadata.file(), std::string("tensor ") + name,
                              "LongRoPE is not supported");
        }
    }
    config.rope = withFactors(file, config);
    if (header.metadata.has(kRopeKey)) {
        const RopeScaling said =
            ropeFromJson(header.metadata.text(kRopeKey), header.metadata.file());
        if (turnsAlike(said, config.rope, config.rotaryDim())) {
            config.rope = said;
        }
    }
    return config;
}

} // namespace longlora
