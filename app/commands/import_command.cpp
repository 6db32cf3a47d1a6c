// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/conversion_console.h"
#include "app/commands/options.h"
#include "app/commands/stop_signals.h"
#include "core/engine/checkpoint/gguf_import.h"

#include <CLI/CLI.hpp>

#include <array>
#include <memory>

namespace longlora::app {

namespace {

constexpr std::array<std::string_view, 4> kDtypes = {"auto", "fp32", "bf16", "f16"};

struct GgufOptions {
    std::string file, output;
    std::string dtype = "auto";
};

ExitStatus importFromGguf(const GgufOptions& options, Console& console)
{
    const StopSignals signals;
    const ConversionReport report =
        importGguf({options.file, options.output, options.dtype}, signals.progress(console));
    printConversion(console, report, options.output);
    return ExitStatus::Done;
}

void addGgufImport(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<GgufOptions>();
    CLI::App* command =
        addCommand(parent, chosen, "gguf", "a GGUF file to a Hugging Face folder",
                   [options](Console& console) { return importFromGguf(*options, console); });
    addText(*command, {"--file", "FILE", "GGUF file of a model"}, options->file)->required();
    addText(*command, {"--out", "DIR", "new folder for the model"}, options->output)->required();
    addChoice(*command,
              {"--dtype", "TYPE", "how weights are stored, auto is the narrowest without loss"},
              kDtypes, options->dtype);
}

} // namespace

void addImportCommands(CLI::App& parent, Action& chosen)
{
    CLI::App* import = parent.add_subcommand("import", "reads what other programs have written");
    addGgufImport(*import, chosen);
    addLongLoraImport(*import, chosen);
}

} // namespace longlora::app
