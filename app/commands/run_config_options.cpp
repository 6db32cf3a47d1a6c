// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/run_config_options.h"

#include "app/commands/config_help.h"
#include "app/commands/options.h"
#include "app/resource_folder.h"
#include "core/spec/base/error.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/config_json.h"
#include "core/spec/config/huggingface_cache.h"
#include "core/spec/config/presets.h"

#include <CLI/CLI.hpp>

#include <filesystem>

namespace longlora::app {

namespace fs = std::filesystem;

namespace {

std::string absolutePath(const fs::path& path)
{
    return fs::absolute(path).lexically_normal().string();
}

/// Before settings.
RunConfig beginning(const RunConfigOptions& options)
{
    if (!options.file.empty() && !options.preset.empty()) {
        throw ConfigError("--config and --preset both name a configuration",
                          "Give one of them, and --set for what is to differ.");
    }
    if (!options.preset.empty()) {
        return readPreset(findPresets(), options.preset).config;
    }
    return options.file.empty() ? RunConfig() : longlora::readRunConfig(fs::path(options.file));
}

} // namespace

void addRunConfigOptions(CLI::App& command, RunConfigOptions& options)
{
    addText(command, {"--config", "FILE", "run configuration as JSON"}, options.file);
    addText(command, {"--preset", "NAME", "one of the bundled configurations instead of a file"},
            options.preset);
    addTexts(command, {"--set", "KEY=VALUE", "one field over it, such as lora.rank=16"},
             options.settings);
    command.footer(runConfigHelp());
}

void requireSound(const RunConfig& config, const ModelConfig& model, RunPurpose purpose)
{
    if (purpose == RunPurpose::Train) {
        requireValid(config, &model);
        return;
    }
    for (const ConfigIssue& issue : validate(config, &model)) {
        // Several devices can be planned for before they can be trained on: the plan says so.
        const bool isForeseen = issue.isUnavailable && issue.field.starts_with("devices.");
        if (issue.severity == Severity::Error && !issue.field.starts_with("data.") && !isForeseen) {
            throw ConfigError(issue.field + ": " + issue.message,
                              issue.suggestion.empty()
                                  ? ""
                                  : "Suggested: " + issue.field + "=" + issue.suggestion + ".");
        }
    }
}

RunConfig readRunConfig(const RunConfigOptions& options, RunPurpose purpose)
{
    RunConfig config = beginning(options);
    const std::string shape = options.preset.empty() ? std::string() : config.model;
    for (const std::string& setting : options.settings) {
        applySetting(config, setting);
    }
    if (purpose == RunPurpose::Train && !shape.empty() && config.model == shape) {
        throw ConfigError("model: preset " + options.preset + " names the shape of a model only",
                          "Name the model to train by --set model=DIR.");
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
