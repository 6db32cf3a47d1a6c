// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/loaded_model.h"
#include "core/spec/base/progress.h"
#include "core/spec/run/kv_format.h"
#include "core/spec/text/prompt_format.h"

#include <filesystem>
#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace longlora::app {

class Console;

/// Which model a command works with, and how it computes.
struct ModelOptions {
    std::string model;
    std::string adapter;
    std::string dtype = "auto";
    std::string device = "auto";
};

/// --kv: how a conversation's keys and values are kept.
void addKvOption(CLI::App& command, std::string& kv);
/// What --kv names.
KvFormat kvFormat(const std::string& kv);

/// --model, --adapter, --dtype, --device.
void addModelOptions(CLI::App& command, ModelOptions& options);

/// Throws: what resolveModelFolder and LoadedModel throw.
LoadedModel loadModel(const ModelOptions& options, const ProgressCallback& progress);

/// How the model wants a conversation written; of a base model it says on `console` that it is one.
/// Throws: what resolveModelFolder and PromptFormat::read throw.
PromptFormat readChatFormat(const std::string& model, Console& console);

/// A text file, whole. Throws: DataError if it is empty or not UTF-8.
std::string readTextFile(const std::filesystem::path& file);

/// A JSON array of token ids. Throws: FormatError; DataError for an id outside the vocabulary.
std::vector<TokenId> readIds(const std::filesystem::path& file, std::int64_t vocabularySize);

} // namespace longlora::app
