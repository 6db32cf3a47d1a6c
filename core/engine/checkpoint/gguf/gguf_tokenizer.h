// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/gguf/gguf_metadata.h"
#include "core/spec/config/model_config.h"

#include <filesystem>
#include <string>
#include <vector>

namespace longlora {

/// A file of a Hugging Face folder that is still to be written.
struct TextFile {
    std::string name; ///< "tokenizer.json"
    std::string content;
};

/// The tokenizer in the metadata of a GGUF file, with its chat template, as files of a Hugging Face
/// folder: tokenizer.model for "llama", tokenizer.json for "gpt2", and tokenizer_config.json.
/// Empty: the file has none. Throws: FormatError naming file and key: a kind or a pre-tokenizer
/// that is not known exactly, tokens that contradict one another, more tokens than `config` has
/// rows.
std::vector<TextFile> tokenizerFilesOf(const GgufMetadata& metadata, const ModelConfig& config);

/// Adds the tokenizer of a model folder, with its chat template, as llama.cpp's converter writes
/// it; nothing where there is none. Throws: FormatError for what cannot be read; DataError for what
/// llama.cpp would do otherwise.
void addGgufTokenizer(GgufMetadata& metadata, const std::filesystem::path& folder,
                      const ModelConfig& config);

} // namespace longlora
