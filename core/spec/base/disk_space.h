// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>

namespace longlora {

/// Bytes that this user may still write where `path` is or will be: of the file system of its
/// nearest folder that exists. Throws: DataError.
double freeDiskBytes(const std::filesystem::path& path);

/// Throws: DataError that names `path`, what it needs and what is free, if that is less than
/// `bytes`.
void requireDiskSpace(const std::filesystem::path& path, double bytes);

} // namespace longlora
