// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/system_memory.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>

namespace longlora {

namespace {

namespace fs = std::filesystem;

/// A number alone in a file; empty for "max" or no file.
std::optional<double> numberIn(const fs::path& file)
{
    std::ifstream stream(file);
    double value = 0.0;
    return stream >> value ? std::optional(value) : std::nullopt;
}

/// The number behind `key` in a file of "key number" lines.
std::optional<double> valueOf(const fs::path& file, const std::string& key)
{
    std::ifstream stream(file);
    std::string line;
    while (std::getline(stream, line)) {
        if (line.starts_with(key + " ") || line.starts_with(key + ":")) {
            return std::strtod(line.c_str() + key.size() + 1, nullptr);
        }
    }
    return std::nullopt;
}

/// What one control group leaves of its limit.
std::optional<double> leftIn(const fs::path& group, const char* limitFile, const char* usedFile,
                             const std::string& cacheKey)
{
    const std::optional<double> limit = numberIn(group / limitFile);
    const std::optional<double> used = numberIn(group / usedFile);
    if (!limit || !used) {
        return std::nullopt;
    }
    const double cache = valueOf(group / "memory.stat", cacheKey).value_or(0.0);
    return std::max(0.0, *limit - *used + std::min(cache, *used));
}

/// The path after the last colon of the line of /proc/self/cgroup that begins so.
fs::path groupPath(const fs::path& root, const std::string& hierarchy)
{
    std::ifstream stream(root / "proc/self/cgroup");
    std::string line;
    while (std::getline(stream, line)) {
        const std::size_t first = line.find(':');
        const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second != std::string::npos &&
            line.substr(first + 1, second - first - 1) == hierarchy) {
            return fs::path(line.substr(second + 1)).relative_path();
        }
    }
    return {};
}

} // namespace

double availableMemoryBytes(const fs::path& root)
{
    double available = valueOf(root / "proc/meminfo", "MemAvailable").value_or(0.0) * 1024.0;
    const auto limitTo = [&](const std::optional<double>& left) {
        if (left) {
            available = available > 0.0 ? std::min(available, *left) : *left;
        }
    };
    // A limit holds for all groups below it, so every group up to the root is asked.
    const auto walk = [&](const fs::path& mount, const std::string& hierarchy, const char* limit,
                          const char* used, const char* cache) {
        for (fs::path path = groupPath(root, hierarchy);; path = path.parent_path()) {
            limitTo(leftIn(mount / path, limit, used, cache));
            if (path.empty()) {
                return;
            }
        }
    };
    walk(root / "sys/fs/cgroup", "", "memory.max", "memory.current", "inactive_file");
    walk(root / "sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
         "total_inactive_file");
    return available;
}

double residentMemoryBytes()
{
    return valueOf("/proc/self/status", "VmRSS").value_or(0.0) * 1024.0;
}

} // namespace longlora
