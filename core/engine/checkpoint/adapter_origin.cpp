// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/adapter_origin.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"
#include "core/spec/config/rope_json.h"
#include "core/spec/config/run_config_enums.h"

#include <nlohmann/json.hpp>

#include <limits>

namespace longlora {

namespace {

constexpr const char* kFileName = "longlora_adapter.json";
constexpr std::int64_t kFormatVersion = 1;

constexpr const char* kAddsVocabulary = "adds_vocabulary";

/// The text of the file; empty if there is none.
std::string textOf(const std::filesystem::path& path)
{
    std::error_code ignored;
    return std::filesystem::exists(path, ignored) ? readWholeFile(path, JsonLimits{}.bytes)
                                                  : std::string();
}

} // namespace

std::optional<AdapterOrigin> readAdapterOrigin(const std::filesystem::path& folder)
{
    const std::filesystem::path path = folder / kFileName;
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
        return std::nullopt;
    }
    const std::string file = path.string();
    const std::string text = textOf(path);
    const JsonObject json = JsonObject::parse(text, file);
    json.integer("format_version", kFormatVersion, kFormatVersion);
    if (!json.has("rope") && json.has(kAddsVocabulary)) {
        return std::nullopt;
    }
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
    const std::string quantization = json.textOr("base_quantization", "none");
    const auto known = enumFromName<Quantization>(quantization);
    if (!known) {
        throw FormatError(file, "base_quantization", "\"" + quantization + "\" is not known",
                          "Use a newer version of this program.");
    }
    origin.quantization = *known;
    return origin;
}

bool readAddsVocabulary(const std::filesystem::path& folder)
{
    const std::filesystem::path path = folder / kFileName;
    const std::string text = textOf(path);
    return !text.empty() &&
           JsonObject::parse(text, path.string()).booleanOr(kAddsVocabulary, false);
}

void writeAdapterOrigin(const std::filesystem::path& folder,
                        const std::optional<AdapterOrigin>& origin, bool addsVocabulary)
{
    nlohmann::ordered_json json = {{"format_version", kFormatVersion}};
    if (origin) {
        json["context_length"] = origin->contextLength;
        json["rope"] = nlohmann::ordered_json::parse(ropeToJson(origin->rope));
        json["base_rope"] = nlohmann::ordered_json::parse(ropeToJson(origin->baseRope));
        json["base_fingerprint"] = origin->fingerprint;
        json["base_quantization"] = enumName(origin->quantization);
    }
    if (addsVocabulary) {
        json[kAddsVocabulary] = true;
    }
    writeFileAtomically(folder / kFileName, json.dump(2) + "\n");
}

} // namespace longlora
