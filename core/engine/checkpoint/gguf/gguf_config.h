// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/gguf/gguf_header.h"
#include "core/engine/checkpoint/gguf/gguf_layout.h"
#include "core/spec/config/model_config.h"

#include <span>
#include <vector>

namespace longlora {

/// The model a GGUF file describes, by its metadata and by which tensors there are. The divisors of
/// rotary frequencies are not in it (withRopeFactors). Keys of the architecture that are not known
/// may change the mathematics: they are refused by name.
/// Throws: FormatError naming file and key.
ModelConfig readGgufConfig(const GgufHeader& header);

/// One weight and where it lies.
struct GgufWeight {
    WeightShape shape;
    const GgufTensor* tensor = nullptr;
    std::vector<std::int64_t> rows; ///< huggingFaceRows
};

/// All weights of the model, in Hugging Face's order of weightShapes.
/// Throws: FormatError: a tensor is missing, too many, of another shape, or of a type that is not
/// read.
std::vector<GgufWeight> ggufWeights(const GgufHeader& header, const ModelConfig& config);

/// The keys of the model, as llama.cpp's converter writes them, without those of the tokenizer.
/// `name` is what the model is called; `fileType` llama.cpp's number for how it is stored;
/// `contextLength` what llama.cpp takes as the context: max_position_embeddings as it is spelled.
/// Throws: DataError for what llama.cpp would compute otherwise.
GgufMetadata ggufModelMetadata(const ModelConfig& config, const std::string& name,
                               std::int64_t fileType, std::int64_t contextLength);

} // namespace longlora
