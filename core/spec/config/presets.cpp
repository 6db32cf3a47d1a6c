// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/presets.h"

#include "core/spec/base/error.h"
#include "core/spec/base/nearest_name.h"
#include "core/spec/config/config_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

namespace longlora {

namespace fs = std::filesystem;

std::vector<Preset> readPresets(const fs::path& folder)
{
    std::vector<Preset> presets;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
        if (entry.path().extension() != ".json") {
            continue;
        }
        Preset preset{entry.path().stem().string(), readRunConfig(entry.path())};
        preset.config.model =
            fs::absolute(folder / preset.config.model).lexically_normal().string();
        presets.push_back(std::move(preset));
    }
    std::ranges::sort(presets, {}, &Preset::name);
    return presets;
}

Preset readPreset(const fs::path& folder, const std::string& name)
{
    const std::vector<Preset> presets = readPresets(folder);
    std::vector<std::string_view> names;
    for (const Preset& preset : presets) {
        if (preset.name == name) {
            return preset;
        }
        names.push_back(preset.name);
    }
    const std::string meant = nearestName(name, names);
    throw ConfigError(fmt::format("there is no preset \"{}\"", name),
                      fmt::format("{}Known: {}.",
                                  meant.empty() ? "" : "Did you mean " + meant + "? ",
                                  fmt::join(names, ", ")));
}

} // namespace longlora
