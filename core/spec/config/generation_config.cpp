// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/generation_config.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/json_object.h"

namespace longlora {

std::vector<std::int64_t> readGenerationEndIds(const std::filesystem::path& folder)
{
    constexpr std::int64_t kLargestTokenId = 2'100'000;
    constexpr const char* kKey = "eos_token_id";
    const std::filesystem::path file = folder / "generation_config.json";
    if (!std::filesystem::exists(file)) {
        return {};
    }
    const JsonObject json =
        JsonObject::parse(readWholeFile(file, JsonLimits{}.bytes), file.string());
    if (json.isArray(kKey)) {
        return json.integers(kKey, 0, kLargestTokenId);
    }
    return json.has(kKey) ? std::vector<std::int64_t>{json.integer(kKey, 0, kLargestTokenId)}
                          : std::vector<std::int64_t>();
}

} // namespace longlora
