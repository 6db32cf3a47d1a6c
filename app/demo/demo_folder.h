// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>

namespace longlora::app {

/// The bundled demo: beside the program's build or installation, else in the source folder the
/// program was built from. Empty if it is in none of them.
std::filesystem::path findDemoFolder();

} // namespace longlora::app
