// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/sampling_options.h"

#include "app/commands/options.h"

#include <CLI/CLI.hpp>

namespace longlora::app {

void addSamplingOptions(CLI::App& command, SamplingOptions& options)
{
    addInteger(command, {"--max-new-tokens", "N", "tokens of the answer at most"},
               options.maxNewTokens, {1, 16777216});
    addReal(command, {"--temperature", "T", "0 always takes the most likely token"},
            options.temperature, {0.0, 100.0});
    addReal(command, {"--top-p", "P", "probability that is drawn from"}, options.topP, {1e-6, 1.0});
    addInteger(command, {"--top-k", "K", "tokens that are drawn from, 0 for all"}, options.topK,
               {0, 16777216});
    addInteger(command, {"--seed", "N", "of the draws"}, options.seed, {0, 9007199254740992});
    addTexts(command, {"--stop", "TEXT", "ends the answer before this"}, options.stop);
}

} // namespace longlora::app
