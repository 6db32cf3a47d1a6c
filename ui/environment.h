// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/presets.h"
#include "core/spec/run/dry_run.h"

#include <filesystem>
#include <vector>

class QSettings;

namespace longlora::ui {

/// Where the window finds what is not handed to it as a service. Made by app/, faked by tests.
struct Environment {
    /// Holds tour.json, run_config.json and the demo's model and texts; empty: no demo is offered.
    std::filesystem::path demoFolder;
    /// New runs are made here, and this is what Home and Runs list.
    std::filesystem::path runsFolder;
    /// Window size, theme, recent folders. Outlives the window.
    QSettings& settings;
    /// What Home's "New run from preset" offers; none: it is not there.
    std::vector<Preset> presets = {};
    /// Tries a run out before it starts; null: that is not offered. Outlives the window.
    DryRunService* dryRun = nullptr;
};

} // namespace longlora::ui
