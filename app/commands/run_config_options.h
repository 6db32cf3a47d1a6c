// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"

#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace longlora::app {

/// --config FILE and --set KEY=VALUE.
struct RunConfigOptions {
    std::string file;
    std::vector<std::string> settings;
};
void addRunConfigOptions(CLI::App& command, RunConfigOptions& options);

/// A plan needs no data.
enum class RunPurpose { Plan, Train };

/// The configuration that file and settings make, checked against its model, every path absolute
/// (relative ones are relative to the working directory), the model resolved, the run named.
/// Throws: ConfigError, FormatError, DataError.
RunConfig readRunConfig(const RunConfigOptions& options, RunPurpose purpose);

} // namespace longlora::app
