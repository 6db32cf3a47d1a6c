// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/error.h"

#include <functional>
#include <string>

namespace CLI {
class App;
} // namespace CLI

namespace longlora::app {

class Console;

/// What the user chose to do, once the options are read.
using Action = std::function<ExitStatus(Console&)>;

/// Whether a command has --json.
enum class JsonOutput { Offered, Absent };

/// Adds a command to `parent` that does `run`. The caller adds the options; what they fill is kept
/// alive by `run`.
CLI::App* addCommand(CLI::App& parent, Action& chosen, const std::string& name,
                     const std::string& doc, Action run, JsonOutput json = JsonOutput::Offered);

// Each of these adds one command of the headless contract; when the user gives it, `chosen`
// becomes what is to be done.
void addPlanCommand(CLI::App& parent, Action& chosen);
void addTrainCommand(CLI::App& parent, Action& chosen);
void addEventsCommand(CLI::App& parent, Action& chosen);
void addControlCommand(CLI::App& parent, Action& chosen);
void addEvaluatePerplexityCommand(CLI::App& parent, Action& chosen);
void addEvaluatePasskeyCommand(CLI::App& parent, Action& chosen);
void addMergeCommand(CLI::App& parent, Action& chosen);
void addLongLoraImport(CLI::App& import, Action& chosen);
void addImportCommands(CLI::App& parent, Action& chosen);
void addExportCommands(CLI::App& parent, Action& chosen);
void addGenerateCommand(CLI::App& parent, Action& chosen);
void addChatCommand(CLI::App& parent, Action& chosen);
void addTokenizeCommand(CLI::App& parent, Action& chosen);
void addLogitsCommand(CLI::App& parent, Action& chosen);
void addSelfCheckCommand(CLI::App& parent, Action& chosen);
void addInspectCommand(CLI::App& parent, Action& chosen);
void addBenchCommands(CLI::App& parent, Action& chosen);
void addDoctorCommand(CLI::App& parent, Action& chosen);
void addDemoCommand(CLI::App& parent, Action& chosen);

} // namespace longlora::app
