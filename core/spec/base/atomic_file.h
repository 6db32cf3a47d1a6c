// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace longlora {

/// Replaces `path` by `content` so that readers see the old file or the whole new one:
/// sibling temporary file, fdatasync, rename, fsync of the folder.
/// Throws: DataError (no space, no permission) after removing the temporary file.
void writeFileAtomically(const std::filesystem::path& path, std::string_view content);

/// Whether there is anything of that name. A link that leads nowhere counts: reading it says so.
bool entryExists(const std::filesystem::path& path);

/// The whole file. Throws: DataError if absent, unreadable or larger than `limitBytes`.
std::string readWholeFile(const std::filesystem::path& path, std::uintmax_t limitBytes);

/// Flushes a folder's entries to disk (after a rename in it). Throws: DataError.
void syncDirectory(const std::filesystem::path& folder);

} // namespace longlora
