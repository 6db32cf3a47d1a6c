// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/inspection.h"
#include "app/commands/options.h"
#include "app/commands/stop_signals.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <memory>

namespace longlora::app {

namespace {

ExitStatus inspectPath(const std::string& path, Console& console)
{
    const StopSignals signals;
    const Inspection result = inspect(path, signals.progress(console));
    nlohmann::ordered_json json{{"kind", result.kind}};
    console.print(result.kind);
    for (const auto& [name, value] : result.facts) {
        std::visit([&, &key = name](const auto& one) { json[key] = one; }, value);
        const bool isText = std::holds_alternative<std::string>(value);
        console.print("  " + name + ": " +
                      (isText ? std::get<std::string>(value) : json[name].dump()));
    }
    json["warnings"] = result.warnings;
    json["problems"] = result.problems;
    for (const std::string& warning : result.warnings) {
        console.print("  note: " + warning);
    }
    for (const std::string& problem : result.problems) {
        console.print("  problem: " + problem);
    }
    console.finish(json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    if (!result.problems.empty()) {
        const std::string& problem = result.problems.front();
        const bool namesPath = problem.find(path) != std::string::npos;
        console.note("longlora: " + (namesPath ? problem : path + ": " + problem));
        return ExitStatus::Data;
    }
    return ExitStatus::Done;
}

} // namespace

void addInspectCommand(CLI::App& parent, Action& chosen)
{
    const auto path = std::make_shared<std::string>();
    CLI::App* command =
        addCommand(parent, chosen, "inspect",
                   "what a model, adapter, run, tokenizer or file is, and what is wrong with it",
                   [path](Console& console) { return inspectPath(*path, console); });
    addText(*command, {"PATH", "", "folder, file, or name of a model in the local cache"}, *path)
        ->required();
}

} // namespace longlora::app
