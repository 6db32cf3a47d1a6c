// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>

namespace longlora {

enum class PathKind {
    Missing,     ///< nothing there, or not readable
    Run,         ///< folder with run.json
    Adapter,     ///< folder with adapter_config.json, or LongLoRA's trainable_params.bin
    Model,       ///< folder with config.json or weights
    Tokenizer,   ///< tokenizer.model or tokenizer.json, or a folder with one and no model
    Gguf,        ///< by its first bytes
    Safetensors, ///< by its ending
    PytorchBin,  ///< zip archive or old pickle of torch.save, by its first bytes
    TokenFile,   ///< any other .bin
    Jsonl,       ///< .jsonl
    Text,        ///< .txt, .md
    Unknown,
};

/// What a folder or file is, by the names in it or its first bytes. Nothing is read beyond those.
PathKind pathKindOf(const std::filesystem::path& path);

} // namespace longlora
