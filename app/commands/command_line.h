// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <vector>

namespace longlora::app {

class Console;

/// Does what the arguments (without the program's name) say. The one place where exceptions become
/// a last line on standard error and the documented exit status, which is returned.
int runCommandLine(const std::vector<std::string>& arguments, Console& console);

} // namespace longlora::app
