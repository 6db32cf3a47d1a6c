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
    std::string kv = "auto";
    std::string prompt;
    std::string promptFile;
    std::string system;
    bool chat = false;
    std::vector<std::string> documents;
    SamplingOptions sampling;
};

Conversation conversationOf(const GenerateOptions& options)
{
    if (options.prompt.empty() == options.promptFile.empty()) {
        throw ConfigError("generate needs either --prompt or --prompt-file");
    }
    if (!options.system.empty() && !options.chat) {
        throw ConfigError("--system is a part of a conversation: give --chat too");
    }
    Conversation conversation;
    conversation.system = options.system;
    for (const std::string& document : options.documents) {
        conversation.documents.push_back(readTextFile(document));
    }
    conversation.question =
        options.prompt.empty() ? readTextFile(options.promptFile) : options.prompt;
    return conversation;
}

ExitStatus generate(const GenerateOptions& options, Console& console)
{
    const Conversation conversation = conversationOf(options);
    const StopSignals signals;
    const PromptFormat format =
        options.chat ? readChatFormat(options.model.model, console) : PromptFormat();
    const LoadedModel model = loadModel(options.model, signals.progress(console));
    Generator generator(model, kvFormat(options.kv));
    const GenerationResult result =
        generator.generate(conversation, format, options.sampling, signals.progress(console),
                           [&](const std::string& piece) {
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
        {"template", format.style()},
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
    addKvOption(*command, options->kv);
    addText(*command, {"--prompt", "TEXT", "what the model goes on from"}, options->prompt);
    addText(*command, {"--prompt-file", "FILE", "the same from a file"}, options->promptFile);
    addFlag(*command, "--chat", "as a question, written with the model's chat template",
            options->chat);
    addText(*command, {"--system", "TEXT", "what a chat model shall be like"}, options->system);
    addTexts(*command, {"--document", "FILE", "text that is read before the prompt"},
             options->documents);
    addSamplingOptions(*command, options->sampling);
}

} // namespace longlora::app
