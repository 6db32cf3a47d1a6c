// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>

namespace longlora {

// An output that takes the place of an older one leaves it beside itself under another name, so
// that it can come back.

/// The name under which what now lies at `output` would be kept: "merged.replaced", or with a
/// number after it if that exists.
std::filesystem::path replacedName(const std::filesystem::path& output);

/// What lies at `one` and at `other`, two names on one file system, changes places: in one step
/// where the file system can, so that neither name is ever without a whole output.
/// Throws: DataError; both are where they were then.
void exchangePaths(const std::filesystem::path& one, const std::filesystem::path& other);

/// Bytes of the regular files in a folder and below it, or of one file; 0 if there is none.
double storedBytes(const std::filesystem::path& path);

} // namespace longlora
