// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/model_options.h"
#include "app/commands/options.h"
#include "app/commands/stop_signals.h"
#include "core/engine/evaluate/passkey.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/units.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace longlora::app {

namespace {

struct PasskeyCommandOptions {
    ModelOptions model;
    PasskeyOptions passkey;
    std::string promptsOut;
};

void writePrompts(const std::string& file, const std::vector<PasskeyTrial>& trials)
{
    auto prompts = nlohmann::ordered_json::array();
    for (const PasskeyTrial& trial : trials) {
        prompts.push_back({{"length", trial.length},
                           {"depth", trial.depth},
                           {"prompt", trial.prompt},
                           {"answer", trial.answer},
                           {"given", trial.given},
                           {"correct", trial.correct}});
    }
    constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
    writeFileAtomically(file, prompts.dump(1, ' ', false, kReplace) + "\n");
}

ExitStatus evaluate(const PasskeyCommandOptions& options, Console& console)
{
    const StopSignals signals;
    const LoadedModel model = loadModel(options.model, signals.progress(console));
    std::vector<PasskeyTrial> trials;
    const std::vector<PasskeyCell> cells =
        evaluatePasskey(model, options.passkey, signals.progress(console), &trials);
    if (!options.promptsOut.empty()) {
        writePrompts(options.promptsOut, trials);
    }
    auto results = nlohmann::ordered_json::array();
    for (const PasskeyCell& cell : cells) {
        console.print(
            fmt::format("length {:>10}, depth {:.2f}: {} of {} (prompts of {:.0f} tokens)",
                        formatCount(cell.length), cell.depth, cell.correct, cell.trials,
                        cell.meanPromptTokens));
        results.push_back({{"length", cell.length},
                           {"depth", cell.depth},
                           {"correct", cell.correct},
                           {"trials", cell.trials},
                           {"mean_prompt_tokens", cell.meanPromptTokens}});
    }
    console.finish(nlohmann::ordered_json{{"results", std::move(results)}}.dump());
    return ExitStatus::Done;
}

} // namespace

void addEvaluatePasskeyCommand(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<PasskeyCommandOptions>();
    CLI::App* command =
        addCommand(parent, chosen, "passkey", "finds a number hidden in a long text",
                   [options](Console& console) { return evaluate(*options, console); });
    addModelOptions(*command, options->model);
    addIntegers(*command, {"--lengths", "N[,N...]", "tokens of prompt and answer together"},
                options->passkey.lengths, {1, 16777216})
        ->required();
    addReals(*command, {"--depths", "F[,F...]", "where the number stands, 0 first, 1 last"},
             options->passkey.depths, {0.0, 1.0});
    addInteger(*command, {"--trials", "N", "questions per length and depth"},
               options->passkey.trials, {1, 100000});
    addInteger(*command, {"--seed", "N", "of the first question"}, options->passkey.seed,
               {0, 4294967295});
    addText(*command, {"--prompts-out", "FILE", "writes questions and answers there as JSON"},
            options->promptsOut);
}

} // namespace longlora::app
