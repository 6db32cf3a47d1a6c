// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/run/run_directory.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/config/config_json.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <system_error>
#include <utility>

namespace longlora {

namespace fs = std::filesystem;

namespace {

constexpr const char* kConfigFile = "run.json";
constexpr const char* kCheckpoints = "checkpoints";
constexpr const char* kControl = "control";
constexpr const char* kLockFile = "run.lock";
constexpr std::string_view kStepPrefix = "step-";
constexpr std::string_view kTemporarySuffix = ".tmp";

[[noreturn]] void throwCannot(const std::string& action, const fs::path& path,
                              const std::error_code& error, const std::string& hint = {})
{
    throw DataError(fmt::format("Cannot {} {}: {}", action, path.string(), error.message()), hint);
}

std::error_code lastError()
{
    return {errno, std::system_category()};
}

void makeFolder(const fs::path& folder)
{
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) {
        throwCannot("make the folder", folder, error,
                    "Choose a place that can be written and has free space.");
    }
    if (::access(folder.c_str(), W_OK | X_OK) != 0) {
        throwCannot("write into the folder", folder, lastError(),
                    "It lacks the right to write or to enter; choose another, or change its mode.");
    }
}

/// The decimal number that is all of `text`.
std::optional<std::int64_t> wholeNumber(std::string_view text)
{
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc() && end == text.data() + text.size() && number >= 0;
    return whole ? std::optional(number) : std::nullopt;
}

std::string stepName(std::int64_t step)
{
    return fmt::format("{}{:06}", kStepPrefix, step);
}

struct ControlFile {
    std::int64_t order = 0;
    ControlRequest request = ControlRequest::Hold;
    fs::path path;
};

/// "<number>-<request>" files, oldest first; anything else in the folder is not ours.
std::vector<ControlFile> controlFiles(const fs::path& folder)
{
    std::vector<ControlFile> files;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        const std::size_t dash = name.find('-');
        if (dash == std::string::npos) {
            continue;
        }
        const auto order = wholeNumber(std::string_view(name).substr(0, dash));
        const auto request = controlRequestFromName(std::string_view(name).substr(dash + 1));
        if (order && request) {
            files.push_back({*order, *request, entry->path()});
        }
    }
    std::ranges::sort(files, {},
                      [](const ControlFile& file) { return std::pair(file.order, file.path); });
    return files;
}

void renamePath(const fs::path& from, const fs::path& to)
{
    std::error_code error;
    fs::rename(from, to, error);
    if (error) {
        throwCannot("rename " + from.string() + " to", to, error);
    }
}

/// Removes as much as can be: what stays of an old checkpoint costs space, not truth.
void discard(const fs::path& folder)
{
    std::error_code ignored;
    fs::remove_all(folder, ignored);
}

/// A complete folder takes its final name; one that has it already is exchanged in one step.
void putInPlace(const fs::path& temporary, const fs::path& final)
{
    if (!fs::exists(final)) {
        renamePath(temporary, final);
        return;
    }
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, final.c_str(), RENAME_EXCHANGE) != 0) {
        throwCannot("replace", final, lastError());
    }
    discard(temporary);
}

void pointLatestAt(const fs::path& checkpoints, const std::string& name)
{
    const fs::path link = checkpoints / "latest";
    const fs::path temporary = checkpoints / "latest.tmp";
    std::error_code error;
    fs::remove(temporary, error);
    fs::create_directory_symlink(name, temporary, error);
    if (error) {
        throwCannot("make the link", temporary, error);
    }
    renamePath(temporary, link);
    syncDirectory(checkpoints);
}

} // namespace

RunDirectory::RunDirectory(fs::path path)
    : m_path(std::move(path))
{}

bool RunDirectory::holdsRun(const fs::path& folder)
{
    std::error_code error;
    return fs::is_regular_file(folder / kConfigFile, error);
}

RunDirectory RunDirectory::create(const fs::path& folder)
{
    if (holdsRun(folder)) {
        throw DataError(folder.string() + " holds a run already",
                        "Choose a new folder for this run.");
    }
    makeFolder(folder);
    // The names of a run that ended before it had begun are no obstacle.
    constexpr std::array<const char*, 3> kOwn = {kCheckpoints, kControl, kLockFile};
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (std::ranges::find(kOwn, name) == kOwn.end()) {
            throw DataError(fmt::format("{} is not empty: it holds {}", folder.string(), name),
                            "Choose a new or an empty folder for the run.");
        }
    }
    makeFolder(folder / kCheckpoints);
    makeFolder(folder / kControl);
    return RunDirectory(folder);
}

RunDirectory RunDirectory::open(const fs::path& folder)
{
    if (!holdsRun(folder)) {
        throw DataError(fmt::format("{} is no run: it has no {}", folder.string(), kConfigFile),
                        "Give the folder that `longlora train` printed first.");
    }
    return RunDirectory(folder);
}

fs::path RunDirectory::eventFile(int rank) const
{
    return m_path / fmt::format("events.rank{}.jsonl", rank);
}

fs::path RunDirectory::resultFolder() const
{
    const bool full = holdsRun(m_path) && readConfig().method == TrainingMethod::Full;
    return m_path / (full ? "model" : "adapter");
}

fs::path RunDirectory::checkpointFolder(std::int64_t step) const
{
    return m_path / kCheckpoints / stepName(step);
}

std::vector<std::int64_t> RunDirectory::checkpointSteps() const
{
    std::vector<std::int64_t> steps;
    std::error_code error;
    for (fs::directory_iterator entry(m_path / kCheckpoints, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (!name.starts_with(kStepPrefix) || !entry->is_directory()) {
            continue;
        }
        const auto step = wholeNumber(std::string_view(name).substr(kStepPrefix.size()));
        if (step && name == stepName(*step)) {
            steps.push_back(*step);
        }
    }
    std::ranges::sort(steps);
    return steps;
}

fs::path RunDirectory::temporaryCheckpointFolder(std::int64_t step) const
{
    fs::path folder = checkpointFolder(step);
    folder += kTemporarySuffix;
    discard(folder);
    makeFolder(folder);
    return folder;
}

void RunDirectory::commitCheckpoint(std::int64_t step, std::int64_t keep) const
{
    const fs::path checkpoints = m_path / kCheckpoints;
    const fs::path final = checkpointFolder(step);
    fs::path temporary = final;
    temporary += kTemporarySuffix;
    syncDirectory(temporary);
    putInPlace(temporary, final);
    syncDirectory(checkpoints);
    pointLatestAt(checkpoints, stepName(step));

    // Only now that the new one is safe do old ones go: first out of sight, then off the disk.
    std::vector<std::int64_t> old = checkpointSteps();
    std::erase(old, step);
    const auto surplus =
        static_cast<std::int64_t>(old.size()) + 1 - std::max<std::int64_t>(keep, 1);
    for (std::int64_t i = 0; i < surplus; ++i) {
        const fs::path folder = checkpointFolder(old[static_cast<std::size_t>(i)]);
        fs::path doomed = folder;
        doomed += kTemporarySuffix;
        discard(doomed);
        std::error_code error;
        fs::rename(folder, doomed, error);
        if (!error) {
            discard(doomed);
        }
    }
}

void RunDirectory::writeConfig(const RunConfig& config) const
{
    writeFileAtomically(m_path / kConfigFile, runConfigToJson(config) + '\n');
}

RunConfig RunDirectory::readConfig() const
{
    return readRunConfig(m_path / kConfigFile);
}

void RunDirectory::writePlan(const std::string& json) const
{
    writeFileAtomically(m_path / "plan.json", json);
}

void RunDirectory::writeEnvironment(const std::string& json) const
{
    writeFileAtomically(m_path / "environment.json", json);
}

void RunDirectory::postControl(ControlRequest request) const
{
    if (!RunLock::isHeld(*this)) {
        throw DataError(fmt::format("Cannot {} {}: the run is not running",
                                    controlRequestName(request), m_path.string()));
    }
    const std::vector<ControlFile> waiting = controlFiles(m_path / kControl);
    const std::int64_t last = waiting.empty() ? 0 : waiting.back().order;
    const std::int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count();
    writeFileAtomically(
        m_path / kControl /
            fmt::format("{:020}-{}", std::max(now, last + 1), controlRequestName(request)),
        {});
}

std::vector<ControlRequest> RunDirectory::takeControl() const
{
    std::vector<ControlRequest> requests;
    for (const ControlFile& file : controlFiles(m_path / kControl)) {
        // What cannot be removed would be obeyed again and again.
        std::error_code error;
        if (fs::remove(file.path, error) && !error) {
            requests.push_back(file.request);
        }
    }
    return requests;
}

} // namespace longlora
