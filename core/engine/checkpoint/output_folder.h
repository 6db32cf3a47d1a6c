// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace longlora {

/// A folder that is filled beside its final place under a hidden name and renamed when complete:
/// the final name holds everything or does not exist. Missing parents are created, and removed
/// again if nothing comes of it.
class OutputFolder {
public:
    enum class Existing {
        Refuse,
        Keep ///< it is given another name (replacedName) when the new output takes its place
    };
    /// Throws: ConfigError if `finalPath` exists and is not to be kept; DataError if it cannot be
    /// created.
    explicit OutputFolder(const std::filesystem::path& finalPath,
                          Existing existing = Existing::Refuse);
    /// Removes everything unless commit() was reached.
    ~OutputFolder();
    OutputFolder(const OutputFolder&) = delete;
    OutputFolder& operator=(const OutputFolder&) = delete;

    /// Where to write until then.
    const std::filesystem::path& path() const noexcept { return m_partial; }
    /// Where an older output lies from now on; empty if there was none. Throws: ConfigError if
    /// somebody else made the final folder meanwhile; DataError.
    std::filesystem::path commit();
    /// The same, but what takes the final name is this file of the folder; the rest is removed.
    std::filesystem::path commitFile(const std::string& name);

private:
    std::filesystem::path putInPlace(const std::filesystem::path& source);

    std::filesystem::path m_final;
    Existing m_existing;
    std::filesystem::path m_partial;
    std::vector<std::filesystem::path> m_createdParents; ///< outermost first
    bool m_committed = false;
};

} // namespace longlora
