// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/run_config_options.h"

#include "app/commands/config_help.h"
#include "app/commands/options.h"
#include "core/spec/base/error.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/config_json.h"
#include "core/spec/config/huggingface_cache.h"

#include <CLI/CLI.hpp>

#include <filesystem>

namespace longlora::app {

namespace fs = std::filesystem;

namespace {

std::string absolutePath(const fs::path& path)
{
    return fs::absolute(path).lexically_normal().string();
}

/// Throws: ConfigError for the first error that matters to `purpose`.
void requireSound(const RunConfig& config, const ModelConfig& model, RunPurpose purpose)
{
    if (purpose == RunPurpose::Train) {
        requireValid(config, &model);
        return;
    }
    for (const ConfigIssue& issue : validate(config, &model)) {
        if (issue.severity == Severity::Error && !issue.field.starts_with("data.")) {
            throw ConfigError(issue.field + ": " + issue.message,
                              issue.suggestion.empty()
                                  ? ""
                                  : "Suggested: " + issue.field + "=" + issue.suggestion + ".");
        }
    }
}

} // namespace

void addRunConfigOptions(CLI::App& command, RunConfigOptions& options)
{
    addText(command, {"--config", "FILE", "run configuration as JSON"}, options.file);
    addTexts(command, {"--set", "KEY=VALUE", "one field over it, such as lora.rank=16"},
             options.settings);
    command.footer(runConfigHelp());
}

RunConfig readRunConfig(const RunConfigOptions& options, RunPurpose purpose)
{
    RunConfig config;
    if (!options.file.empty()) {
        config = longlora::readRunConfig(fs::path(options.file));
    }
    for (const std::string& setting : options.settings) {
        applySetting(config, setting);
    }
    if (config.model.empty()) {
        throw ConfigError("model: no model is given",
                          "Name one in --config FILE or by --set model=DIR.");
    }
    config.model = absolutePath(resolveModelFolder(config.model));
    for (auto* files : {&config.data.train, &config.data.validation}) {
        for (std::string& file : *files) {
            file = absolutePath(file);
        }
    }
    const ModelConfig model = readModelConfig(config.model);
    requireSound(config, model, purpose);
    if (config.runName.empty()) {
        config.runName = fs::path(config.model).filename().string() + "-" +
                         std::to_string(rowLength(model, config));
    }
    return config;
}

} // namespace longlora::app
