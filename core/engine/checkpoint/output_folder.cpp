// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/output_folder.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/replaced_output.h"

#include <unistd.h>

#include <system_error>

namespace longlora {

namespace {

void requireAbsent(const std::filesystem::path& path)
{
    if (entryExists(path)) {
        throw ConfigError("The output folder " + path.string() + " exists already",
                          "Choose a new name, or remove it first.");
    }
}

[[noreturn]] void throwCannotCreate(const std::filesystem::path& path, const std::error_code& code)
{
    throw DataError("Cannot create " + path.string() + ": " + code.message(),
                    "Check the path and its rights.");
}

/// The folders above `path` that do not exist yet, outermost first.
std::vector<std::filesystem::path> missingParents(const std::filesystem::path& path)
{
    std::vector<std::filesystem::path> missing;
    std::error_code ignored;
    for (auto folder = path.parent_path();
         !folder.empty() && !std::filesystem::exists(folder, ignored) && !ignored;
         folder = folder.parent_path()) {
        missing.insert(missing.begin(), folder);
    }
    return missing;
}

} // namespace

OutputFolder::OutputFolder(const std::filesystem::path& finalPath, Existing existing)
    : m_existing(existing)
{
    if (finalPath.empty()) {
        throw ConfigError("The output folder has no name", "Name a new folder.");
    }
    m_final = std::filesystem::absolute(finalPath).lexically_normal();
    if (!m_final.has_filename()) {
        m_final = m_final.parent_path(); // written with a slash at its end
    }
    if (m_existing == Existing::Refuse) {
        requireAbsent(m_final);
    }
    m_partial = m_final.parent_path() /
                ("." + m_final.filename().string() + ".partial-" + std::to_string(::getpid()));
    std::error_code code;
    for (const auto& parent : missingParents(m_final)) {
        if (std::filesystem::create_directory(parent, code)) {
            m_createdParents.push_back(parent);
        }
    }
    if (!code) {
        // Left over by a process of the same number that was killed.
        std::filesystem::remove_all(m_partial, code);
    }
    if (!code) {
        std::filesystem::create_directory(m_partial, code);
    }
    if (code) {
        std::error_code ignored;
        for (auto parent = m_createdParents.rbegin(); parent != m_createdParents.rend(); ++parent) {
            std::filesystem::remove(*parent, ignored);
        }
        throwCannotCreate(m_final, code);
    }
}

OutputFolder::~OutputFolder()
{
    if (m_committed) {
        return;
    }
    std::error_code ignored;
    std::filesystem::remove_all(m_partial, ignored);
    for (auto parent = m_createdParents.rbegin(); parent != m_createdParents.rend(); ++parent) {
        std::filesystem::remove(*parent, ignored); // only if nobody put something else there
    }
}

std::filesystem::path OutputFolder::putInPlace(const std::filesystem::path& source)
{
    syncDirectory(m_partial);
    std::filesystem::path kept;
    std::error_code code;
    if (m_existing == Existing::Keep && entryExists(m_final)) {
        // Complete under the name the older one will have: whenever this ends, both are whole.
        kept = replacedName(m_final);
        std::filesystem::rename(source, kept, code);
        if (!code) {
            try {
                exchangePaths(kept, m_final);
            } catch (const Error&) {
                std::filesystem::rename(kept, source, code);
                throw;
            }
        }
    } else {
        requireAbsent(m_final);
        std::filesystem::rename(source, m_final, code);
    }
    if (code) {
        throwCannotCreate(m_final, code);
    }
    m_committed = true;
    syncDirectory(m_final.parent_path());
    return kept;
}

std::filesystem::path OutputFolder::commit()
{
    return putInPlace(m_partial);
}

std::filesystem::path OutputFolder::commitFile(const std::string& name)
{
    std::filesystem::path kept = putInPlace(m_partial / name);
    std::error_code ignored;
    std::filesystem::remove_all(m_partial, ignored);
    return kept;
}

} // namespace longlora
