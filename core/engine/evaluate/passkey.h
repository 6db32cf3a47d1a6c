// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/evaluate/passkey_prompt.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace longlora {

class LoadedModel;

/// One cell of the grid.
struct PasskeyCell {
    std::int64_t length = 0; ///< tokens asked for
    double depth = 0.0;
    std::int64_t correct = 0;
    std::int64_t trials = 0;
    double meanPromptTokens = 0.0; ///< really used
};

/// A trial as it was asked and answered.
struct PasskeyTrial {
    std::int64_t length = 0;
    double depth = 0.0;
    std::string prompt, answer, given;
    bool correct = false;
};

/// A question with its answer for a length in tokens; lets other retrieval texts than the passkey
/// be measured by the same code. `maxPromptTokens` (BOS included) must hold; it may be called again
/// with another room for the same seed, and then gives the same answer. A space is put between text
/// and answer unless there is white space already.
using PromptMaker =
    std::function<PasskeyPrompt(std::int64_t maxPromptTokens, double depth, std::int64_t seed)>;

struct PasskeyOptions {
    std::vector<std::int64_t> lengths; ///< tokens, prompt and answer together
    std::vector<double> depths = {0.0, 0.25, 0.5, 0.75, 1.0};
    std::int64_t trials = 10; ///< per cell
    std::int64_t seed = 0;
    PromptMaker makePrompt; ///< empty: LongLoRA's passkey
};

/// Greedy decoding of as many tokens as the answer has; correct when all are equal.
/// Throws: DataError if a length cannot hold the shortest prompt; Cancelled.
std::vector<PasskeyCell> evaluatePasskey(const LoadedModel& model, const PasskeyOptions& options,
                                         const ProgressCallback& progress,
                                         std::vector<PasskeyTrial>* trials = nullptr);

} // namespace longlora
