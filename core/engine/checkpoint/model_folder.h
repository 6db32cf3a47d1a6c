// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>

namespace longlora {

/// Copies what a tokenizer consists of (tokenizer.model, tokenizer.json, chat template, ...), as
/// far as it is there. Throws: DataError.
void copyTokenizerFiles(const std::filesystem::path& from, const std::filesystem::path& to);

/// Whether `folder` has a tokenizer of any kind.
bool hasTokenizerFiles(const std::filesystem::path& folder);

/// Copies generation_config.json if `from` has one; otherwise writes one that says what `config`
/// knows: which tokens begin and end a text. Throws: DataError.
void writeGenerationConfig(const std::filesystem::path& from, const ModelConfig& config,
                           const std::filesystem::path& to);

/// Hugging Face's name in config.json: "float32", "bfloat16", "float16", "float64".
std::string configDtypeName(at::ScalarType dtype);

/// Bytes of the regular files in `folder`.
double folderBytes(const std::filesystem::path& folder);

/// Takes a file that is on the disk out of the kernel's cache, so that whoever reads it next reads
/// the disk. Where that cannot be done nothing happens.
void forgetCachedPages(const std::filesystem::path& file);

} // namespace longlora
