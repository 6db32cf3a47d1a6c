// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"
#include "core/spec/run/run_control.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace longlora {

/// The only code that knows the file names of a run:
/// run.json plan.json environment.json events.rankN.jsonl checkpoints/step-000500/
/// checkpoints/latest adapter/ control/ run.lock
class RunDirectory {
public:
    /// Makes the folder (and its parents). Throws: DataError if it exists with a run in it, or
    /// cannot be written (names the right that is missing).
    static RunDirectory create(const std::filesystem::path& folder);
    /// Throws: DataError if `folder` holds no run.json.
    static RunDirectory open(const std::filesystem::path& folder);
    static bool holdsRun(const std::filesystem::path& folder);

    const std::filesystem::path& path() const noexcept { return m_path; }
    std::filesystem::path eventFile(int rank = 0) const;
    /// The finished run's adapter (method lora) or model (method full).
    std::filesystem::path resultFolder() const;
    std::filesystem::path checkpointFolder(std::int64_t step) const;
    /// Steps of the complete checkpoints, ascending.
    std::vector<std::int64_t> checkpointSteps() const;
    /// Renames `temporary` (a sibling made by temporaryCheckpointFolder) into place, moves
    /// `checkpoints/latest`, then removes all but the newest `keep`. Throws: DataError.
    void commitCheckpoint(std::int64_t step, std::int64_t keep) const;
    /// An empty folder to write a checkpoint into.
    std::filesystem::path temporaryCheckpointFolder(std::int64_t step) const;

    void writeConfig(const RunConfig& config) const;
    /// Throws: ConfigError, FormatError, DataError.
    RunConfig readConfig() const;
    /// JSON documents kept beside the run. Throws: DataError.
    void writePlan(const std::string& json) const;
    void writeEnvironment(const std::string& json) const;

    /// Asks the process that runs this run; it looks at step boundaries. Throws: DataError.
    void postControl(ControlRequest request) const;
    /// Requests that arrived since the last call, oldest first; takes them away.
    std::vector<ControlRequest> takeControl() const;

private:
    explicit RunDirectory(std::filesystem::path path);
    std::filesystem::path m_path;
};

/// Held by the process that runs a run; released by the kernel when it dies.
class RunLock {
public:
    /// Throws: DataError naming the owner (pid, host) if someone else holds it.
    explicit RunLock(const RunDirectory& run);
    ~RunLock();
    RunLock(const RunLock&) = delete;
    RunLock& operator=(const RunLock&) = delete;
    /// Whether some process holds the lock of `run` now.
    static bool isHeld(const RunDirectory& run);

private:
    int m_descriptor = -1;
};

} // namespace longlora
