// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/pickle/archive_bytes.h"

#include <cstdint>
#include <string>
#include <vector>

namespace longlora {

/// One file of an archive, stored as it is.
struct ZipEntry {
    std::string name;
    std::uint64_t offset = 0; ///< of its first byte, from the start of the archive
    std::uint64_t bytes = 0;
};

/// Where the entries of a ZIP archive lie (32 or 64 bits), in the order of its directory. Read by
/// ourselves rather than by libzip, because the entries are to be mapped where they are, and
/// because a file must mean the same to everybody: local and central records agree, nothing
/// overlaps, nothing precedes, follows or hides. Costs memory in proportion to the directory.
/// Throws: FormatError with the offset for anything else: compressed or encrypted entries, several
/// disks, more than 100,000 entries, a directory above 32 MiB, the same name twice, a comment.
std::vector<ZipEntry> readZipDirectory(const ArchiveBytes& source);

} // namespace longlora
