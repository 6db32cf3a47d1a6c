// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/text/tokenizer.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace longlora::ui {

/// What can be said of a model folder without reading its weights.
struct ModelCard {
    std::filesystem::path folder;
    std::optional<ModelConfig> config;
    std::shared_ptr<const Tokenizer> tokenizer; ///< null if it cannot be read
    std::string tokenizerName;                  ///< "1,024 pieces"
    bool hasChatTemplate = false;
    double weightBytes = 0.0;
    /// One line each: what is missing or broken, and what it is needed for.
    std::vector<std::string> problems;

    bool isUsable() const { return config && tokenizer && problems.empty(); }
};

/// Reads config.json and the tokenizer, and looks for weights. Problems are told, not thrown.
/// Threading: takes up to seconds for a large vocabulary; call it in the background.
ModelCard readModelCard(const std::filesystem::path& folder);

} // namespace longlora::ui
