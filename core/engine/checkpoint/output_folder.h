// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <vector>

namespace longlora {

/// A folder that is filled beside its final place under a hidden name and renamed when complete:
/// the final name holds everything or does not exist. Missing parents are created, and removed
/// again if nothing comes of it.
class OutputFolder {
public:
    /// Throws: ConfigError if `finalPath` exists; DataError if it cannot be created.
    explicit OutputFolder(const std::filesystem::path& finalPath);
    /// Removes everything unless commit() was reached.
    ~OutputFolder();
    OutputFolder(const OutputFolder&) = delete;
    OutputFolder& operator=(const OutputFolder&) = delete;

    /// Where to write until then.
    const std::filesystem::path& path() const noexcept { return m_partial; }
    /// Throws: ConfigError if somebody else made the final folder meanwhile; DataError.
    void commit();

private:
    std::filesystem::path m_final;
    std::filesystem::path m_partial;
    std::vector<std::filesystem::path> m_createdParents; ///< outermost first
    bool m_committed = false;
};

} // namespace longlora
