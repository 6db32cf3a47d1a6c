// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/conversion_report.h"

#include <string>

namespace longlora::app {

class Console;

/// Says what converting a model to `output` came to.
void printConversion(Console& console, const ConversionReport& report, const std::string& output);

} // namespace longlora::app
