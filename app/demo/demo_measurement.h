// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/loaded_model.h"
#include "core/engine/evaluate/passkey.h"
#include "core/engine/evaluate/perplexity.h"
#include "core/spec/base/progress.h"

#include <string>
#include <vector>

namespace longlora::app {

/// What one model can do with texts of several lengths, measured with full attention.
struct DemoMeasurement {
    std::string key;                               ///< "base", "untrained_scaling", "extended"
    std::string name;                              ///< for people
    std::vector<PerplexityResult> perplexity = {}; ///< one per length
    std::vector<PasskeyCell> passkey = {};         ///< lengths x depths
    double seconds = 0.0;

    double perplexityAt(std::int64_t length) const;
    /// Part of the questions of this length that were answered right, over all depths.
    double accuracyAt(std::int64_t length) const;
};

struct DemoMeasuring {
    std::vector<std::int64_t> lengths; ///< tokens
    std::int64_t trials = 60;          ///< retrieval questions per length
    std::string heldOut;               ///< measured on, and what keys are hidden in
};

/// A retrieval question of at most that many tokens, hidden in `heldOut` (outlives the result, as
/// does the tokenizer).
PromptMaker demoPromptMaker(const std::string& heldOut, const Tokenizer& tokenizer);

/// Throws: Cancelled.
DemoMeasurement measureModel(const LoadedModel& model, std::string key, std::string name,
                             const DemoMeasuring& measuring, const ProgressCallback& progress);

} // namespace longlora::app
