// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command_line.h"

#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/options.h"
#include "app/version.h"
#include "core/spec/base/nearest_name.h"
#include "core/spec/base/progress.h"

#include <c10/util/Exception.h>

#include <CLI/CLI.hpp>

#include <filesystem>
#include <new>

namespace longlora::app {

namespace {

/// One line per option, however long it is.
class OneLineFormatter : public CLI::Formatter {
public:
    std::string make_option(const CLI::Option* option, bool isPositional) const override
    {
        std::string line = "  " + option->get_name(isPositional, true);
        if (option->get_type_size() != 0 && !option->get_type_name().empty()) {
            line += ' ' + option->get_type_name();
        }
        constexpr std::size_t kColumn = 34;
        line.resize(std::max(line.size() + 2, kColumn), ' ');
        return line + option->get_description() + (option->get_required() ? " (required)" : "") +
               "\n";
    }
};

void addCommands(CLI::App& program, Action& chosen)
{
    addDemoCommand(program, chosen);
    addPlanCommand(program, chosen);
    addTrainCommand(program, chosen);
    addEventsCommand(program, chosen);
    addControlCommand(program, chosen);
    CLI::App* evaluate = program.add_subcommand("evaluate", "measures a model on held-out text");
    addEvaluatePerplexityCommand(*evaluate, chosen);
    addEvaluatePasskeyCommand(*evaluate, chosen);
    addMergeCommand(program, chosen);
    addImportCommands(program, chosen);
    addExportCommands(program, chosen);
    addGenerateCommand(program, chosen);
    addChatCommand(program, chosen);
    addTokenizeCommand(program, chosen);
    addLogitsCommand(program, chosen);
    addSelfCheckCommand(program, chosen);
    addInspectCommand(program, chosen);
    addBenchCommands(program, chosen);
    addDoctorCommand(program, chosen);
}

/// Lets the parser collect what it does not know, so that this file can say what was meant.
void collectUnknown(CLI::App& command)
{
    command.allow_extras();
    for (CLI::App* child : command.get_subcommands([](CLI::App*) { return true; })) {
        collectUnknown(*child);
    }
}

const CLI::App& deepestChosen(const CLI::App& command)
{
    const auto chosen = command.get_subcommands();
    return chosen.empty() ? command : deepestChosen(*chosen.front());
}

/// "longlora bench train"
std::string spelled(const CLI::App& command)
{
    const CLI::App* parent = command.get_parent();
    return parent == nullptr ? "longlora" : spelled(*parent) + " " + command.get_name();
}

std::vector<std::string> knownNames(const CLI::App& command, bool options)
{
    std::vector<std::string> names;
    if (!options) {
        for (const CLI::App* child :
             command.get_subcommands([](const CLI::App*) { return true; })) {
            names.push_back(child->get_name());
        }
        return names;
    }
    for (const CLI::Option* option : command.get_options()) {
        for (const std::string& name : option->get_lnames()) {
            names.push_back("--" + name);
        }
    }
    return names;
}

/// Throws: ConfigError for the first argument that nobody took, with what it may have meant.
void refuseUnknown(const CLI::App& program)
{
    const CLI::App& command = deepestChosen(program);
    const std::vector<std::string> extras = program.remaining(true);
    if (extras.empty()) {
        return;
    }
    const std::string name = extras.front().substr(0, extras.front().find('='));
    const bool isOption = name.starts_with('-');
    const std::vector<std::string> known = knownNames(command, isOption);
    const std::vector<std::string_view> views(known.begin(), known.end());
    const std::string nearest = nearestName(name, views);
    const std::string what = isOption        ? "unknown option "
                             : known.empty() ? "unexpected argument "
                                             : "unknown command ";
    throw ConfigError(what + name, nearest.empty() ? "See " + spelled(command) + " --help."
                                                   : "Did you mean " + nearest + "?");
}

void requireCommand(const CLI::App& program, const Action& chosen)
{
    if (chosen) {
        return;
    }
    const CLI::App& command = deepestChosen(program);
    throw ConfigError(&command == &program ? "no command is given"
                                           : spelled(command) + " needs to know what",
                      "See " + spelled(command) + " --help.");
}

ExitStatus chooseAndRun(std::vector<std::string> arguments, Console& console)
{
    CLI::App program("Extends the context of language models with LongLoRA.\n"
                     "Model arguments are Hugging Face folders or names in the local cache; "
                     "nothing is downloaded.",
                     "longlora");
    program.formatter(std::make_shared<OneLineFormatter>());
    program.set_help_flag("-h,--help", "prints this");
    program.set_version_flag("--version", std::string("longlora ") + kVersion,
                             "prints the version");
    Action chosen;
    addCommands(program, chosen);
    collectUnknown(program);
    try {
        std::reverse(arguments.begin(), arguments.end());
        program.parse(arguments);
    } catch (const CLI::CallForHelp&) {
        console.print(program.help());
        return ExitStatus::Done;
    } catch (const CLI::CallForVersion&) {
        console.print(program.version());
        return ExitStatus::Done;
    } catch (const CLI::ParseError& error) {
        refuseUnknown(program);
        throw ConfigError(error.what(), "See longlora --help.");
    }
    refuseUnknown(program);
    requireCommand(program, chosen);
    return chosen(console);
}

int report(Console& console, ExitStatus status, const std::string& line)
{
    console.note("longlora: " + line);
    return static_cast<int>(status);
}

int reportBug(Console& console, const std::string& what)
{
    return report(console, ExitStatus::Bug,
                  "internal error: " + what.substr(0, what.find('\n')) +
                      ". This is a fault of the program; please report it with the command line.");
}

constexpr const char* kLessMemory =
    "Shorten the context, lower the batch, or close what else uses the memory.";

} // namespace

CLI::App* addCommand(CLI::App& parent, Action& chosen, const std::string& name,
                     const std::string& doc, Action run, JsonOutput json)
{
    CLI::App* command = parent.add_subcommand(name, doc);
    const auto wantsJson = std::make_shared<bool>(false);
    if (json == JsonOutput::Offered) {
        addFlag(*command, "--json", "prints one JSON object, last on standard output", *wantsJson);
    }
    command->callback([&chosen, run = std::move(run), wantsJson] {
        chosen = [run, wantsJson](Console& console) {
            if (*wantsJson) {
                console.useJson();
            }
            return run(console);
        };
    });
    return command;
}

int runCommandLine(const std::vector<std::string>& arguments, Console& console)
{
    try {
        return static_cast<int>(chooseAndRun(arguments, console));
    } catch (const Cancelled&) {
        return report(console, ExitStatus::Stopped, "stopped on request; nothing was written.");
    } catch (const Error& error) {
        return report(console, error.exitStatus(), error.describe());
    } catch (const c10::OutOfMemoryError& error) {
        return report(console, ExitStatus::Device,
                      std::string("the GPU is out of memory. ") + kLessMemory);
    } catch (const std::bad_alloc&) {
        return report(console, ExitStatus::Device, std::string("out of memory. ") + kLessMemory);
    } catch (const std::filesystem::filesystem_error& error) {
        return report(console, ExitStatus::Data,
                      std::string(error.what()) + ". Check that it exists, space and rights.");
    } catch (const c10::Error& error) {
        return reportBug(console, error.what_without_backtrace());
    } catch (const std::exception& error) {
        return reportBug(console, error.what());
    }
}

} // namespace longlora::app
