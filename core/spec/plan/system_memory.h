// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>

namespace longlora {

/// Bytes this process may still take without swapping: MemAvailable, or what a control group (v2,
/// or v1's memory controller) leaves, whichever is lower; 0 if neither says. Page cache that the
/// kernel gives back counts as free. `root` stands in for "/" in tests.
double availableMemoryBytes(const std::filesystem::path& root = "/");

/// Resident set of this process.
double residentMemoryBytes();

} // namespace longlora
