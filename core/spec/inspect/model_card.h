// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/inspect/inspection.h"
#include "core/spec/inspect/weight_listing.h"
#include "core/spec/text/tokenizer.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace longlora {

/// What can be said of a model folder without reading its weights: one source for the window's card
/// and for `longlora inspect`.
struct ModelCard {
    std::filesystem::path folder;
    std::optional<ModelConfig> config;
    WeightListing weights;
    std::shared_ptr<const Tokenizer> tokenizer; ///< null if there is none or it cannot be read
    std::string tokenizerKind;                  ///< "sentencepiece", "byte-pair encoding"
    bool isChat = false;                        ///< it has a chat template
    std::string templateStyle;   ///< PromptFormat::style(); empty: none, or it cannot be used
    std::string templateProblem; ///< why it cannot be used
    /// One line each: what is missing or broken, and what to do about it.
    std::vector<std::string> problems;
    /// One line each: what works otherwise than one may think.
    std::vector<std::string> warnings;

    bool isUsable() const { return config && problems.empty(); }
};

/// Reads config.json, the tokenizer and the template, and looks for weights. Problems are told, not
/// thrown. Threading: takes up to seconds for a large vocabulary; call it in the background.
ModelCard readModelCard(const std::filesystem::path& folder);

/// The card as facts in reading order. Kind "model".
Inspection inspectionOf(const ModelCard& card);

/// "Llama", "Qwen3", "GPT-NeoX": for people.
std::string familyName(const ModelConfig& config);

/// What the kind of rotary embedding does to positions, in a sentence without a full stop.
std::string explainRope(const RopeScaling& rope);

/// One line of a list of models.
struct ModelSummary {
    std::filesystem::path folder;
    std::string name;   ///< of the cache, or the folder's
    std::string family; ///< empty if config.json cannot be read
    std::int64_t parameters = 0;
    double bytes = 0.0;  ///< of the weights that are there
    std::string problem; ///< one line: why it cannot be used; empty: nothing is missing

    bool operator==(const ModelSummary&) const = default;
};

/// Reads config.json and looks for weights: a few milliseconds. `name` empty: the folder's.
ModelSummary summarizeModel(const std::filesystem::path& folder, std::string name = {});

} // namespace longlora
