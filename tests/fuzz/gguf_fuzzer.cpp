// SPDX-License-Identifier: GPL-3.0-or-later
// GGUF files: tensors lie inside the file and can be dequantized; the model and the tokenizer that
// the metadata describes can be read again as the files they become.
#include "core/engine/checkpoint/gguf/dequantize.h"
#include "core/engine/checkpoint/gguf/gguf_config.h"
#include "core/engine/checkpoint/gguf/gguf_file.h"
#include "core/engine/checkpoint/gguf/gguf_inspection.h"
#include "core/engine/checkpoint/gguf/gguf_model.h"
#include "core/engine/checkpoint/gguf/gguf_tokenizer.h"
#include "core/spec/base/error.h"
#include "core/spec/config/model_config_parse.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"

#include <algorithm>
#include <vector>

namespace longlora::fuzz {

namespace {

void readTensors(const GgufFile& file, std::uint64_t fileBytes)
{
    std::uint64_t end = 0;
    for (const GgufTensor& tensor : file.header().tensors) {
        require(tensor.offset >= end && tensor.offset <= fileBytes, "tensors stand in order");
        require(tensor.bytes <= fileBytes - tensor.offset, "tensors lie inside the file");
        end = tensor.offset + tensor.bytes;
        const GgmlTypeInfo& info = ggmlTypeInfo(tensor.type);
        if (info.isRead) {
            std::vector<float> numbers(static_cast<std::size_t>(tensor.count()));
            dequantize(tensor.type, file.data(tensor), tensor.count(), numbers.data());
        }
    }
}

void readModel(const GgufFile& file)
{
    const ModelConfig config = readGgufModel(file);
    require(parseModelConfig(modelConfigJson(config), kFile) == config,
            "a config reads as it was written");
    tokenizerFilesOf(file.metadata(), config);
    ggufWeights(file.header(), config);
}

} // namespace

void readAndUse(std::string_view input)
{
    static const MemoryFile memory;
    memory.hold(input);
    const GgufFile file = GgufFile::open(memory.path());
    readTensors(file, input.size());
    inspectGguf(memory.path());
    readModel(file);
}

} // namespace longlora::fuzz
