// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/demo/demo_story.h"

#include <filesystem>
#include <string>

namespace longlora::app {

/// One self-contained page: what was done and what came of it, with charts, tables, the recipe and
/// the machine. Light and dark as the reader's desktop is. `environment` is the run's
/// environment.json.
std::string demoReportHtml(const DemoResult& result, const std::string& environment);

/// The same figures as one JSON object. `folder` holds the run and the merged model.
std::string demoResultJson(const DemoResult& result, const std::filesystem::path& folder);

} // namespace longlora::app
