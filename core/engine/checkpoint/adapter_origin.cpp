// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/adapter_origin.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/json_object.h"
#include "core/spec/config/rope_json.h"

#include <nlohmann/json.hpp>

#include <limits>

namespace longlora {

namespace {

constexpr const char* kFileName = "longlora_adapter.json";
constexpr std::int64_t kFormatVersion = 1;

} // namespace

std::optional<AdapterOrigin> readAdapterOrigin(const std::filesystem::path& folder)
{
    const std::filesystem::path path = folder / kFileName;
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
        return std::nullopt;
    }
    const std::string file = path.string();
    const std::string text = readWholeFile(path, JsonLimits{}.bytes);
    const JsonObject json = JsonObject::parse(text, file);
    json.integer("format_version", kFormatVersion, kFormatVersion);
    const auto rope = [&](const char* key) {
        json.object(key); // names the key if it is missing or no object
        return ropeFromJson(nlohmann::json::parse(text).at(key).dump(), file + ", key " + key);
    };
    AdapterOrigin origin;
    origin.baseRope = rope("base_rope");
    origin.rope = rope("rope");
    origin.fingerprint = json.text("base_fingerprint");
    origin.contextLength =
        json.integer("context_length", 0, std::numeric_limits<std::int64_t>::max());
    return origin;
}

void writeAdapterOrigin(const std::filesystem::path& folder, const AdapterOrigin& origin)
{
    const nlohmann::ordered_json json = {
        {"format_version", kFormatVersion},
        {"context_length", origin.contextLength},
        {"rope", nlohmann::ordered_json::parse(ropeToJson(origin.rope))},
        {"base_rope", nlohmann::ordered_json::parse(ropeToJson(origin.baseRope))},
        {"base_fingerprint", origin.fingerprint},
    };
    writeFileAtomically(folder / kFileName, json.dump(2) + "\n");
}

} // namespace longlora
