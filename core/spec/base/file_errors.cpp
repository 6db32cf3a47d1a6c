// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/file_errors.h"

#include "core/spec/base/error.h"

#include <sys/stat.h>

#include <cerrno>
#include <system_error>

namespace longlora {

void throwCannotRead(const std::filesystem::path& file, int code)
{
    throw DataError("Cannot read " + file.string() + ": " + std::system_category().message(code),
                    code == ENOENT ? "Check the path." : "Check the file's rights.");
}

void throwCannotWrite(const std::filesystem::path& file, int code)
{
    throw DataError("Cannot write " + file.string() + ": " + std::system_category().message(code),
                    code == ENOSPC || code == EDQUOT || code == EFBIG
                        ? "Free some space there, or choose another folder."
                        : "Check the path and the rights of " + folderOf(file).string() + ".");
}

std::uint64_t regularFileSize(int descriptor, const std::filesystem::path& file)
{
    struct stat status = {};
    if (::fstat(descriptor, &status) != 0) {
        throwCannotRead(file, errno);
    }
    if (!S_ISREG(status.st_mode)) {
        throw FormatError(file.string(), {}, "is not a regular file");
    }
    return static_cast<std::uint64_t>(status.st_size);
}

std::filesystem::path folderOf(const std::filesystem::path& file)
{
    return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

} // namespace longlora
