// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/dry_run.h"

#include <string>
#include <vector>

namespace longlora::app {

class Console;

/// A line for each figure: predicted, measured, by how much they differ.
void printDryRun(Console& console, const std::vector<DryRunFigure>& figures);
/// [{"name", "unit", "predicted", "measured"}]; null: not known.
std::string dryRunJson(const std::vector<DryRunFigure>& figures);

} // namespace longlora::app
