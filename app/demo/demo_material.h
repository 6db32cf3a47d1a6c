// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"

#include <filesystem>
#include <string>

namespace longlora::app {

/// What the bundled demo consists of, read and checked.
struct DemoMaterial {
    std::filesystem::path folder;
    RunConfig config;     ///< paths absolute
    std::string heldOut;  ///< text that was never trained on
    std::string document; ///< the text the question is about
    std::string question;
    std::string expected; ///< the answer that is right
    std::string note;     ///< what to know about the question
};

/// Reads model folder, run_config.json, heldout.txt and tour.json. Throws: DataError, FormatError,
/// ConfigError.
DemoMaterial readDemoMaterial(const std::filesystem::path& folder);

} // namespace longlora::app
