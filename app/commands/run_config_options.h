// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"

#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace longlora::app {

/// --config FILE or --preset NAME, and --set KEY=VALUE.
struct RunConfigOptions {
    std::string file;
    std::string preset;
    std::vector<std::string> settings;
};
void addRunConfigOptions(CLI::App& command, RunConfigOptions& options);

/// A plan needs no data, and may be for more devices than this version trains on.
enum class RunPurpose { Plan, Train };

/// Throws: ConfigError for the first error of `config` that matters to `purpose`.
void requireSound(const RunConfig& config, const ModelConfig& model, RunPurpose purpose);

/// The configuration that file and settings make, checked against its model, every path absolute
/// (relative ones are relative to the working directory), the model resolved, the run named.
/// Throws: ConfigError, FormatError, DataError.
RunConfig readRunConfig(const RunConfigOptions& options, RunPurpose purpose);

} // namespace longlora::app
