// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/options.h"
#include "app/commands/stop_signals.h"
#include "app/demo/demo_folder.h"
#include "app/demo/demo_report.h"
#include "app/demo/demo_story.h"
#include "core/engine/checkpoint/output_folder.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/units.h"
#include "core/spec/run/run_list.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>

namespace longlora::app {

namespace fs = std::filesystem;

namespace {

struct DemoOptions {
    std::string output;
    std::optional<std::int64_t> seed;
    std::string material;
};

void printSummary(Console& console, const DemoResult& result, const fs::path& report)
{
    console.print(
        fmt::format("{:<22} {:>14} {:>14} {:>14}", "", "perplexity", "perplexity", "pass keys"));
    console.print(fmt::format(
        "{:<22} {:>14} {:>14} {:>14}", "", "at " + formatCount(result.contextBefore),
        "at " + formatCount(result.contextAfter), "at " + formatCount(result.contextAfter)));
    for (const DemoMeasurement& model : result.models) {
        console.print(fmt::format("{:<22} {:>14.2f} {:>14.2f} {:>12.0f} %", model.name,
                                  model.perplexityAt(result.contextBefore),
                                  model.perplexityAt(result.contextAfter),
                                  100.0 * model.accuracyAt(result.contextAfter)));
    }
    console.print(fmt::format("{} -> {} (expected {})", result.material.question,
                              result.answer.text, result.material.expected));
    console.print(
        fmt::format("Done in {}. Report: {}", formatDuration(result.seconds), report.string()));
}

ExitStatus demo(const DemoOptions& options, Console& console)
{
    DemoMaterial material =
        readDemoMaterial(options.material.empty() ? findDemoFolder() : fs::path(options.material));
    material.config.seed = options.seed.value_or(material.config.seed);
    const fs::path folder = options.output.empty()
                                ? newRunFolder(fs::current_path(), "demo")
                                : fs::absolute(options.output).lexically_normal();
    StopSignals signals;
    OutputFolder output(folder);
    const DemoResult result = tellDemo(std::move(material), output.path(), console, signals);
    const std::string environment =
        readWholeFile(output.path() / "run" / "environment.json", std::uintmax_t{1} << 20);
    writeFileAtomically(output.path() / "report.html", demoReportHtml(result, environment));
    output.commit();
    printSummary(console, result, folder / "report.html");
    console.finish(demoResultJson(result, folder));
    return ExitStatus::Done;
}

} // namespace

void addDemoCommand(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<DemoOptions>();
    CLI::App* command = addCommand(parent, chosen, "demo",
                                   "the whole story on the bundled model and book, with a report",
                                   [options](Console& console) { return demo(*options, console); });
    addText(
        *command,
        {"--out", "DIR", "new folder for report, run and merged model; one is named if not given"},
        options->output);
    addInteger(*command, {"--seed", "N", "of the training, the recipe's own if not given"},
               options->seed, {0, 9007199254740992});
    addText(*command, {"--material", "DIR", "another folder like the bundled demo"},
            options->material);
}

} // namespace longlora::app
