// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/disk_space.h"

#include "core/spec/base/error.h"
#include "core/spec/base/units.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <system_error>

namespace longlora {

double freeDiskBytes(const std::filesystem::path& path)
{
    std::filesystem::path place = std::filesystem::absolute(path);
    struct statvfs status = {};
    while (::statvfs(place.c_str(), &status) != 0) {
        if ((errno != ENOENT && errno != ENOTDIR) || place == place.root_path()) {
            throw DataError("Cannot tell how much space is free for " + path.string() + ": " +
                                std::system_category().message(errno),
                            "Check the path and its rights.");
        }
        place = place.parent_path();
    }
    return static_cast<double>(status.f_bavail) * static_cast<double>(status.f_frsize);
}

void requireDiskSpace(const std::filesystem::path& path, double bytes)
{
    const double available = freeDiskBytes(path);
    if (bytes > available) {
        throw DataError("Not enough space for " + path.string() + ": it needs " +
                            formatBytes(bytes) + ", " + formatBytes(available) + " are free",
                        "Free some space there, or choose another folder.");
    }
}

} // namespace longlora
