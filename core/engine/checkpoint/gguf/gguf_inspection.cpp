// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/gguf_inspection.h"

#include "core/engine/checkpoint/gguf/gguf_config.h"
#include "core/engine/checkpoint/gguf/gguf_file.h"
#include "core/engine/checkpoint/gguf/gguf_model.h"
#include "core/engine/checkpoint/gguf/gguf_tokenizer.h"
#include "core/engine/checkpoint/gguf/printable.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>

namespace longlora {

namespace {

void addHeader(Inspection& result, const GgufHeader& header)
{
    result.collect([&] {
        result.add("architecture", printable(header.metadata.text("general.architecture")));
        if (header.metadata.has("general.name")) {
            result.add("name", printable(header.metadata.text("general.name")));
        }
    });
    std::map<std::string, std::int64_t> countOf; // by type
    for (const GgufTensor& tensor : header.tensors) {
        ++countOf[std::string(ggmlTypeInfo(tensor.type).name)];
    }
    std::string types;
    for (const auto& [type, count] : countOf) {
        types += fmt::format("{}{} {}", types.empty() ? "" : ", ", count, type);
    }
    result.add("version", std::int64_t{header.version});
    result.add("bytes", static_cast<std::int64_t>(header.fileBytes));
    result.add("tensors", types);
}

void addModel(Inspection& result, const ModelConfig& config)
{
    const std::initializer_list<std::pair<std::string, Inspection::Value>> facts = {
        {"parameters", config.parameterCount()}, {"layers", config.layerCount},
        {"hidden_size", config.hiddenSize},      {"heads", config.headCount},
        {"kv_heads", config.kvHeadCount},        {"head_dim", config.headDim},
        {"vocabulary", config.vocabularySize},   {"context", config.contextLength()},
        {"rope", describeRope(config.rope)},     {"tied_embeddings", config.tiedEmbeddings},
    };
    result.facts.insert(result.facts.end(), facts);
}

void addTokenizer(Inspection& result, const GgufMetadata& metadata, const ModelConfig& config)
{
    const std::vector<TextFile> files = tokenizerFilesOf(metadata, config);
    result.facts.emplace_back(
        "tokenizer", files.empty()
                         ? std::string("none: text cannot be read or written")
                         : fmt::format("{}, {} tokens", metadata.text("tokenizer.ggml.model"),
                                       metadata.texts("tokenizer.ggml.tokens").size()));
    result.facts.emplace_back("chat_template", metadata.has("tokenizer.chat_template"));
}

} // namespace

Inspection inspectGguf(const std::filesystem::path& path)
{
    Inspection result;
    result.kind = "GGUF file";
    result.collect([&] {
        const GgufFile file = GgufFile::open(path);
        addHeader(result, file.header());
        std::optional<ModelConfig> config;
        result.collect([&] { config = readGgufModel(file); });
        if (config) {
            addModel(result, *config);
            result.collect([&] { ggufWeights(file.header(), *config); });
            result.collect([&] { addTokenizer(result, file.metadata(), *config); });
        }
        if (const std::uint64_t bytes = file.header().bytesAtEnd(); bytes > 0) {
            result.problems.push_back(
                fmt::format("{}: {} bytes at the end belong to no tensor", path.string(), bytes));
        }
    });
    return result;
}

} // namespace longlora
