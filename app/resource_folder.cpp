// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/resource_folder.h"

#include <array>
#include <system_error>

namespace longlora::app {

namespace fs = std::filesystem;

fs::path findResources(const std::string& name, const std::string& witness)
{
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
    const std::array<fs::path, 3> places = {
        program / ".." / "share" / "longlora-workbench" / name, // installed
        program / ".." / ".." / "resources" / name,             // build/bin in the checkout
        fs::path(LONGLORA_SOURCE_DIR) / "resources" / name,
    };
    for (const fs::path& place : places) {
        if (fs::is_regular_file(place / witness, error)) {
            return fs::weakly_canonical(place);
        }
    }
    return {};
}

fs::path findPresets()
{
    return findResources("presets", "paper-7b-8k.json");
}

fs::path findShapes()
{
    return findResources("shapes", "llama2-7b/config.json");
}

} // namespace longlora::app
