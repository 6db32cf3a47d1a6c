// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/loaded_model.h"

#include <filesystem>
#include <string>

namespace longlora::test {

/// The trained tiny model of the golden data.
std::filesystem::path tinyShakespeare();
LoadedModel loadTiny(ComputePrecision precision,
                     const std::filesystem::path& folder = tinyShakespeare());

/// A copy of a model folder that is removed at the end, with some text replaced in one of its
/// files.
class EditedModel {
public:
    EditedModel(const std::filesystem::path& source, const std::string& file,
                const std::string& what, const std::string& with);
    ~EditedModel();
    EditedModel(const EditedModel&) = delete;
    EditedModel& operator=(const EditedModel&) = delete;
    const std::filesystem::path& path() const { return m_path; }

private:
    std::filesystem::path m_path;
};

} // namespace longlora::test
