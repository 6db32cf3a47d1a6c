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
    std::vector<std::string> documents;
    SamplingOptions sampling;
};

/// Reads a line of the user's; false at the end of the input or after an interrupt.
bool readLine(Console& console, std::string& line)
{
    console.stream("> ");
    return static_cast<bool>(std::getline(std::cin, line)) && line != "/quit";
}

/// One question: what has been said, and then what the model adds to it. Ctrl-C ends the answer.
void answer(Generator& generator, const ChatOptions& options, const std::string& question,
            std::string& said, Console& console)
{
    const StopSignals signals;
    const std::string prompt = said + question;
    const GenerationResult result = generator.generate(
        prompt, options.sampling, signals.progress(console), [&](const std::string& piece) {
            console.stream(piece);
            return !signals.stopRequested();
        });
    console.print("");
    console.note(fmt::format("[{} + {} tokens, read in {}, {:.1f} tokens/s, {}]",
                             formatCount(result.promptTokens), formatCount(result.newTokens),
                             formatDuration(result.prefillSeconds), result.tokensPerSecond,
                             result.finishReason));
    said = prompt + result.text + "\n\n";
}

ExitStatus chat(const ChatOptions& options, Console& console)
{
    std::string said;
    for (const std::string& document : options.documents) {
        said += readTextFile(document) + "\n\n";
    }
    const LoadedModel model = [&] {
        const StopSignals signals;
        return loadModel(options.model, signals.progress(console));
    }();
    Generator generator(model);
    console.note(
        fmt::format("Context of {} tokens. The model goes on from what you write; /quit or "
                    "the end of the input ends, Ctrl-C ends an answer.",
                    formatCount(model.config().contextLength())));
    std::string question;
    while (readLine(console, question)) {
        if (question.empty()) {
            continue;
        }
        try {
            answer(generator, options, question, said, console);
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
    addTexts(*command, {"--document", "FILE", "text that is read before the first question"},
             options->documents);
    addSamplingOptions(*command, options->sampling);
}

} // namespace longlora::app
