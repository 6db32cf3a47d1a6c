// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <string>

namespace longlora {

/// The plays by what they are for; no play stands in two parts.
struct DemoCorpus {
    std::string training; ///< all plays but the two below
    std::string heldOut;  ///< Macbeth: measured on, never trained on
    std::string book;     ///< The Tempest: asked about, never trained on
};

/// Reads the *_gut.txt files (the modern edition: most plays lie there in two) of a folder of
/// plays. Throws: DataError if plays are missing.
DemoCorpus readDemoCorpus(const std::filesystem::path& plays);

} // namespace longlora
