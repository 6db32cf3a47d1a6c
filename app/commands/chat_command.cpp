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

#include <iostream>
#include <memory>

namespace longlora::app {

namespace {

struct ChatOptions {
    ModelOptions model;
    std::string kv = "auto";
    std::string system;
    std::vector<std::string> documents;
    SamplingOptions sampling;
};

/// Reads a line of the user's; false at the end of the input or after an interrupt.
bool readLine(Console& console, std::string& line)
{
    console.stream("> ");
    return static_cast<bool>(std::getline(std::cin, line)) && line != "/quit";
}

/// Asks the question of `said`, which grows by the answer. Ctrl-C ends the answer.
void answer(Generator& generator, const PromptFormat& format, const SamplingOptions& sampling,
            Conversation& said, Console& console)
{
    const StopSignals signals;
    const GenerationResult result = generator.generate(
        said, format, sampling, signals.progress(console), [&](const std::string& piece) {
            console.stream(piece);
            return !signals.stopRequested();
        });
    console.print("");
    console.note(fmt::format("[{} + {} tokens, read in {}, {:.1f} tokens/s, {}]",
                             formatCount(result.promptTokens), formatCount(result.newTokens),
                             formatDuration(result.prefillSeconds), result.tokensPerSecond,
                             result.finishReason));
    said.turns.push_back({said.question, result.text});
}

Conversation begun(const ChatOptions& options)
{
    Conversation said;
    said.system = options.system;
    for (const std::string& document : options.documents) {
        said.documents.push_back(readTextFile(document));
    }
    return said;
}

ExitStatus chat(const ChatOptions& options, Console& console)
{
    Conversation said = begun(options);
    const PromptFormat format = readChatFormat(options.model.model, console);
    const LoadedModel model = [&] {
        const StopSignals signals;
        return loadModel(options.model, signals.progress(console));
    }();
    Generator generator(model, kvFormat(options.kv));
    console.note(fmt::format(
        "Context of {} tokens. {}; /quit or the end of the input ends, Ctrl-C ends an answer.",
        formatCount(model.config().contextLength()),
        format.isPlain() ? std::string("The model goes on from what you write")
                         : fmt::format("Chat template: {}", format.style())));
    while (readLine(console, said.question)) {
        if (said.question.empty()) {
            continue;
        }
        try {
            answer(generator, format, options.sampling, said, console);
        } catch (const Error& error) {
            // What does not fit or cannot be is said, and the conversation goes on as it was.
            console.note(error.describe());
        }
    }
    return ExitStatus::Done;
}

} // namespace

void addChatCommand(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<ChatOptions>();
    CLI::App* command = addCommand(
        parent, chosen, "chat", "a conversation in the terminal",
        [options](Console& console) { return chat(*options, console); }, JsonOutput::Absent);
    addModelOptions(*command, options->model);
    addKvOption(*command, options->kv);
    addText(*command, {"--system", "TEXT", "what a chat model shall be like"}, options->system);
    addTexts(*command, {"--document", "FILE", "text that is read before the first question"},
             options->documents);
    addSamplingOptions(*command, options->sampling);
}

} // namespace longlora::app
