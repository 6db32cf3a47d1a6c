// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/demo/demo_folder.h"

#include <array>
#include <system_error>

namespace longlora::app {

namespace fs = std::filesystem;

fs::path findDemoFolder()
{
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
    const std::array<fs::path, 3> places = {
        program / ".." / "share" / "longlora-workbench" / "demo", // installed
        program / ".." / ".." / "resources" / "demo",             // build/bin in the checkout
        fs::path(LONGLORA_SOURCE_DIR) / "resources" / "demo",
    };
    for (const fs::path& place : places) {
        if (fs::is_regular_file(place / "tour.json", error)) {
            return fs::weakly_canonical(place);
        }
    }
    return {};
}

} // namespace longlora::app
