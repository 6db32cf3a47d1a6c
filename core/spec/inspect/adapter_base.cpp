// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/inspect/adapter_base.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"
#include "core/spec/config/huggingface_cache.h"

#include <system_error>

namespace longlora {

namespace fs = std::filesystem;

std::string namedBase(const fs::path& adapter)
{
    const fs::path file = adapter / "adapter_config.json";
    try {
        return JsonObject::parse(readWholeFile(file, JsonLimits{}.bytes), file.string())
            .textOr("base_model_name_or_path", {});
    } catch (const Error&) {
        // What is wrong with the adapter is told by who reads it.
        return {};
    }
}

std::optional<fs::path> findNamedBase(const fs::path& adapter)
{
    const std::string name = namedBase(adapter);
    if (name.empty()) {
        return std::nullopt;
    }
    // A path stays itself when it is absolute.
    for (const fs::path& folder : {fs::path(name), adapter / name, adapter.parent_path() / name}) {
        std::error_code ignored;
        if (fs::is_regular_file(folder / "config.json", ignored)) {
            return folder.lexically_normal();
        }
    }
    for (const CachedModel& model : cachedModels(huggingFaceCacheFolder())) {
        if (model.name == name && model.problem.empty()) {
            return model.folder;
        }
    }
    return std::nullopt;
}

} // namespace longlora
