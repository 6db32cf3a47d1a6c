// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/model_options.h"
#include "app/commands/options.h"
#include "app/commands/sampling_options.h"
#include "app/commands/stop_signals.h"
#include "core/engine/infer/generator.h"
#include "core/spec/base/units.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace longlora::app {

namespace {

struct GenerateOptions {
    ModelOptions model;
    std::string prompt;
    std::string promptFile;
    std::vector<std::string> documents;
    SamplingOptions sampling;
};

/// The documents, each followed by a blank line, then the prompt; nothing is cut.
std::string wholePrompt(const GenerateOptions& options)
{
    if (options.prompt.empty() == options.promptFile.empty()) {
        throw ConfigError("generate needs either --prompt or --prompt-file");
    }
    std::string prompt;
    for (const std::string& document : options.documents) {
        prompt += readTextFile(document) + "\n\n";
    }
    return prompt + (options.prompt.empty() ? readTextFile(options.promptFile) : options.prompt);
}

ExitStatus generate(const GenerateOptions& options, Console& console)
{
    const std::string prompt = wholePrompt(options);
    const StopSignals signals;
    const LoadedModel model = loadModel(options.model, signals.progress(console));
    Generator generator(model);
    const GenerationResult result = generator.generate(
        prompt, options.sampling, signals.progress(console), [&](const std::string& piece) {
            console.stream(piece);
            return !signals.stopRequested();
        });
    console.print("");
    console.note(
        fmt::format("{} prompt tokens in {}, {} new tokens at {:.1f} tokens/s, ended by {}",
                    formatCount(result.promptTokens), formatDuration(result.prefillSeconds),
                    formatCount(result.newTokens), result.tokensPerSecond, result.finishReason));
    constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
    console.finish(nlohmann::ordered_json{
        {"text", result.text},
        {"ids", result.ids},
        {"prompt_tokens", result.promptTokens},
        {"new_tokens", result.newTokens},
        {"prefill_seconds", result.prefillSeconds},
        {"tokens_per_second", result.tokensPerSecond},
        {"finish_reason", result.finishReason},
    }
                       .dump(-1, ' ', false, kReplace));
    return result.finishReason == "cancelled" ? ExitStatus::Stopped : ExitStatus::Done;
}

} // namespace

void addGenerateCommand(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<GenerateOptions>();
    CLI::App* command =
        addCommand(parent, chosen, "generate", "one completion, streamed",
                   [options](Console& console) { return generate(*options, console); });
    addModelOptions(*command, options->model);
    addText(*command, {"--prompt", "TEXT", "what the model goes on from"}, options->prompt);
    addText(*command, {"--prompt-file", "FILE", "the same from a file"}, options->promptFile);
    addTexts(*command, {"--document", "FILE", "text that is read before the prompt"},
             options->documents);
    addSamplingOptions(*command, options->sampling);
}

} // namespace longlora::app
