// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>

namespace longlora {

/// What the system says of a file, in one line with what to do. `code`: an errno.
/// Throws: DataError.
[[noreturn]] void throwCannotRead(const std::filesystem::path& file, int code);
[[noreturn]] void throwCannotWrite(const std::filesystem::path& file, int code);

/// Bytes of an open regular file, which `file` names. Throws: DataError; FormatError for a FIFO,
/// folder or device.
std::uint64_t regularFileSize(int descriptor, const std::filesystem::path& file);

/// The folder that a file stands in.
std::filesystem::path folderOf(const std::filesystem::path& file);

} // namespace longlora
