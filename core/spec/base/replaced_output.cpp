// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/replaced_output.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace longlora {

namespace {

namespace fs = std::filesystem;

int renamed(const fs::path& from, const fs::path& to)
{
    return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

/// By way of a third name, for file systems that cannot exchange. 0 or an errno.
int exchangeInSteps(const fs::path& one, const fs::path& other)
{
    const fs::path between = replacedName(one);
    if (const int code = renamed(one, between); code != 0) {
        return code;
    }
    if (const int code = renamed(other, one); code != 0) {
        renamed(between, one);
        return code;
    }
    return renamed(between, other);
}

} // namespace

fs::path replacedName(const fs::path& output)
{
    fs::path plain = output;
    plain += ".replaced";
    fs::path name = plain;
    for (int number = 2; entryExists(name); ++number) {
        name = plain;
        name += "-" + std::to_string(number);
    }
    return name;
}

void exchangePaths(const fs::path& one, const fs::path& other)
{
    int code = 0;
    if (::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) != 0) {
        code = errno == EINVAL || errno == ENOSYS ? exchangeInSteps(one, other) : errno;
    }
    if (code != 0) {
        throw DataError("Cannot exchange " + one.string() + " and " + other.string() + ": " +
                            std::system_category().message(code),
                        "Check that both are there, and the rights of their folder.");
    }
    syncDirectory(fs::absolute(one).parent_path());
}

double storedBytes(const fs::path& path)
{
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) {
        return static_cast<double>(fs::file_size(path, ignored));
    }
    double bytes = 0.0;
    for (fs::recursive_directory_iterator entry(path, ignored), end; entry != end;
         entry.increment(ignored)) {
        if (entry->is_regular_file(ignored)) {
            bytes += static_cast<double>(entry->file_size(ignored));
        }
    }
    return bytes;
}

} // namespace longlora
