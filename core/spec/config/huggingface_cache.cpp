// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/huggingface_cache.h"

#include "core/spec/base/error.h"
#include "core/spec/base/nearest_name.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>

namespace longlora {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kModelPrefix = "models--";
constexpr std::string_view kIncomplete =
    "no snapshot has a config.json: finish the download with the tool that began it";

std::optional<fs::path> folderFromEnvironment(const char* variable)
{
    const char* value = std::getenv(variable);
    return value != nullptr && *value != '\0' ? std::optional<fs::path>(value) : std::nullopt;
}

/// "models--org--name" for "org/name".
std::string cacheEntryName(std::string_view name)
{
    std::string entry(kModelPrefix);
    for (const char c : name) {
        entry += c == '/' ? std::string("--") : std::string(1, c);
    }
    return entry;
}

/// "org/name" for "models--org--name"; a name may itself hold "--", an organisation may not.
std::string modelNameOf(const std::string& entry)
{
    const std::string name = entry.substr(kModelPrefix.size());
    const std::size_t dashes = name.find("--");
    return dashes == std::string::npos ? name
                                       : name.substr(0, dashes) + '/' + name.substr(dashes + 2);
}

bool isModelFolder(const fs::path& folder)
{
    std::error_code ignored;
    return fs::is_regular_file(folder / "config.json", ignored);
}

/// The commit that refs/main names; empty if there is no such file or it holds something else.
std::string mainCommit(const fs::path& entry)
{
    std::ifstream stream(entry / "refs" / "main");
    std::string commit;
    stream >> commit;
    constexpr std::string_view kDigits = "0123456789abcdef";
    const bool sound = !commit.empty() && commit.size() <= 64 &&
                       commit.find_first_not_of(kDigits) == std::string::npos;
    return sound ? commit : std::string();
}

/// The snapshot to use: of refs/main, else the newest one that has a config.json.
std::optional<fs::path> snapshotOf(const fs::path& entry)
{
    const fs::path snapshots = entry / "snapshots";
    if (const std::string commit = mainCommit(entry); !commit.empty()) {
        if (isModelFolder(snapshots / commit)) {
            return snapshots / commit;
        }
    }
    std::optional<fs::path> newest;
    fs::file_time_type newestTime{};
    std::error_code error;
    for (fs::directory_iterator it(snapshots, error), end; !error && it != end;
         it.increment(error)) {
        std::error_code ignored;
        const fs::file_time_type time = fs::last_write_time(it->path(), ignored);
        if (isModelFolder(it->path()) && (!newest || time > newestTime)) {
            newest = it->path();
            newestTime = time;
        }
    }
    return newest;
}

[[noreturn]] void refuseUnknown(const std::string& name, const fs::path& cache)
{
    const std::vector<CachedModel> models = cachedModels(cache);
    std::vector<std::string_view> names;
    for (const CachedModel& model : models) {
        if (model.problem.empty()) {
            names.push_back(model.name);
        }
    }
    const std::string nearest = nearestName(name, names);
    throw DataError(
        "there is no model folder \"" + name + "\", and the local Hugging Face cache (" +
            cache.string() + ") has no model of that name",
        nearest.empty() ? "Give a folder with config.json and weights; nothing is downloaded."
                        : "Did you mean " + nearest + "?");
}

} // namespace

fs::path huggingFaceCacheFolder()
{
    if (const auto folder = folderFromEnvironment("HF_HUB_CACHE")) {
        return *folder;
    }
    if (const auto folder = folderFromEnvironment("HUGGINGFACE_HUB_CACHE")) {
        return *folder;
    }
    if (const auto folder = folderFromEnvironment("HF_HOME")) {
        return *folder / "hub";
    }
    if (const auto folder = folderFromEnvironment("XDG_CACHE_HOME")) {
        return *folder / "huggingface" / "hub";
    }
    return folderFromEnvironment("HOME").value_or("/") / ".cache" / "huggingface" / "hub";
}

std::vector<CachedModel> cachedModels(const fs::path& cache)
{
    std::vector<CachedModel> models;
    std::error_code error;
    for (fs::directory_iterator it(cache, error), end; !error && it != end; it.increment(error)) {
        const std::string entry = it->path().filename().string();
        if (!entry.starts_with(kModelPrefix)) {
            continue;
        }
        const std::optional<fs::path> snapshot = snapshotOf(it->path());
        models.push_back({modelNameOf(entry), snapshot.value_or(it->path()),
                          snapshot ? std::string() : std::string(kIncomplete)});
    }
    std::sort(models.begin(), models.end(),
              [](const CachedModel& a, const CachedModel& b) { return a.name < b.name; });
    return models;
}

fs::path resolveModelFolder(const std::string& nameOrFolder)
{
    std::error_code ignored;
    if (fs::is_directory(nameOrFolder, ignored)) {
        return nameOrFolder;
    }
    if (nameOrFolder.empty()) {
        throw DataError("no model is given", "Name a Hugging Face folder.");
    }
    if (fs::exists(nameOrFolder, ignored)) {
        throw DataError(nameOrFolder + " is a file, not a model folder",
                        "Give the folder that holds config.json and the weights.");
    }
    const fs::path cache = huggingFaceCacheFolder();
    const std::string entryName = cacheEntryName(nameOrFolder);
    const fs::path entry = cache / entryName;
    const bool isPlainName = nameOrFolder.front() != '/' && nameOrFolder.front() != '.';
    if (!isPlainName || !fs::is_directory(entry, ignored)) {
        refuseUnknown(nameOrFolder, cache);
    }
    const std::optional<fs::path> snapshot = snapshotOf(entry);
    if (!snapshot) {
        throw DataError("the local Hugging Face cache has no complete snapshot of " + nameOrFolder +
                            " (no config.json below " + (entry / "snapshots").string() + ")",
                        "Finish its download with the tool that began it.");
    }
    return *snapshot;
}

} // namespace longlora
