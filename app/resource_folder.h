// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <string>

namespace longlora::app {

/// The folder `name` of what comes with the programs ("demo", "presets", "shapes"): installed
/// beside them, or in the checkout. Empty if there is none that has `witness` in it.
std::filesystem::path findResources(const std::string& name, const std::string& witness);

std::filesystem::path findPresets();
/// Models' config.json files, one folder each.
std::filesystem::path findShapes();

} // namespace longlora::app
