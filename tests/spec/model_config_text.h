// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "tests/spec/temporary_folder.h"

#include <filesystem>
#include <string>

namespace longlora::test {

inline std::filesystem::path goldenModel(const std::string& name)
{
    return std::filesystem::path(LONGLORA_GOLDEN_DIR) / "models" / name;
}

/// The model of a folder that holds nothing but this config.json.
inline ModelConfig readText(const std::string& text)
{
    const TemporaryFolder folder;
    folder.write("config.json", text);
    return readModelConfig(folder.path());
}

} // namespace longlora::test
