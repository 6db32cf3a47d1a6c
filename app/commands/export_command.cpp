// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/conversion_console.h"
#include "app/commands/options.h"
#include "app/commands/stop_signals.h"
#include "core/engine/checkpoint/gguf_export.h"
#include "core/spec/config/huggingface_cache.h"

#include <CLI/CLI.hpp>

#include <array>
#include <memory>

namespace longlora::app {

namespace {

constexpr std::array<std::string_view, 4> kDtypes = {"fp32", "f16", "bf16", "q8_0"};

struct GgufOptions {
    std::string model, output;
    std::string dtype = "f16";
};

ExitStatus exportToGguf(const GgufOptions& options, Console& console)
{
    const StopSignals signals;
    const ConversionReport report =
        exportGguf({resolveModelFolder(options.model), options.output, options.dtype},
                   signals.progress(console));
    printConversion(console, report, options.output);
    return ExitStatus::Done;
}

void addGgufExport(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<GgufOptions>();
    CLI::App* command =
        addCommand(parent, chosen, "gguf", "a model to a GGUF file, for llama.cpp and its kin",
                   [options](Console& console) { return exportToGguf(*options, console); });
    addText(*command, {"--model", "DIR", "model folder"}, options->model)->required();
    addText(*command, {"--out", "FILE", "new GGUF file"}, options->output)->required();
    addChoice(*command, {"--dtype", "TYPE", "how matrices are stored"}, kDtypes, options->dtype);
}

} // namespace

void addExportCommands(CLI::App& parent, Action& chosen)
{
    CLI::App* exporting = parent.add_subcommand("export", "writes what other programs read");
    addGgufExport(*exporting, chosen);
}

} // namespace longlora::app
