// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"

#include <filesystem>
#include <string>
#include <vector>

namespace longlora {

/// A run's configuration to begin with. Its model is a shape: a folder with a config.json and no
/// weights, enough for a plan.
struct Preset {
    std::string name; ///< "paper-7b-100k"
    RunConfig config; ///< with an absolute model folder
};

/// All of `folder` (NAME.json each), sorted by name; none if there is no such folder.
/// Throws: what readRunConfig throws.
std::vector<Preset> readPresets(const std::filesystem::path& folder);

/// Throws: ConfigError if there is none of that name (names the nearest).
Preset readPreset(const std::filesystem::path& folder, const std::string& name);

} // namespace longlora
