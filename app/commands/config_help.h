// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace longlora::app {

/// Every field of a RunConfig on one line each: key, meaning, unit, range or choices, default.
std::string runConfigHelp();

} // namespace longlora::app
