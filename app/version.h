// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace longlora::app {

/// The project's version, from the top CMakeLists.txt.
inline constexpr const char* kVersion = LONGLORA_VERSION;

} // namespace longlora::app
