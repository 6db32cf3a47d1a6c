// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/shard_index.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <system_error>

namespace longlora {

namespace {

constexpr JsonLimits kIndexLimits{std::size_t{2} << 20, 4};
constexpr std::size_t kMaxShards = 10'000;

/// A name that cannot lead out of its folder.
bool isBareFileName(const std::string& name)
{
    return !name.empty() && name != "." && name != ".." &&
           name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

/// Which folder a link may lead into: the model folder, or in a Hugging Face cache (whose files are
/// links into ../../blobs) the whole folder of that model.
std::filesystem::path trustedRoot(const std::filesystem::path& canonicalFolder)
{
    for (auto folder = canonicalFolder; folder != folder.root_path();
         folder = folder.parent_path()) {
        if (folder.filename().string().starts_with("models--")) {
            return folder;
        }
    }
    return canonicalFolder;
}

} // namespace

std::map<std::string, std::string> parseShardIndex(std::string_view text, const std::string& file)
{
    const JsonObject index = JsonObject::parse(text, file, kIndexLimits);
    const JsonObject weights = index.object("weight_map");
    std::map<std::string, std::string> shardOfTensor;
    std::set<std::string> shards;
    // JsonObject looks for each key from the first on: for 20,000 that would take seconds.
    const auto sameText = nlohmann::json::parse(text);
    for (const auto& [tensor, value] : sameText.at("weight_map").items()) {
        const std::string shard =
            value.is_string() ? value.get<std::string>() : weights.text(tensor);
        if (!isBareFileName(shard)) {
            weights.refuse(tensor, "must be the bare name of a file");
        }
        shards.insert(shard);
        if (shards.size() > kMaxShards) {
            weights.refuse(tensor, fmt::format("more than {} shards", kMaxShards));
        }
        shardOfTensor.emplace(tensor, shard);
    }
    if (shardOfTensor.empty()) {
        index.refuse("weight_map", "names no tensor");
    }
    return shardOfTensor;
}

std::map<std::string, std::string> readShardIndex(const std::filesystem::path& file)
{
    return parseShardIndex(readWholeFile(file, kIndexLimits.bytes), file.string());
}

std::filesystem::path shardPath(const std::filesystem::path& folder, const std::string& name,
                                const std::string& indexFile)
{
    const std::string where = "shard " + name;
    std::error_code code;
    const std::filesystem::path target = std::filesystem::canonical(folder / name, code);
    if (code) {
        throw FormatError(indexFile, where, "is not there: " + code.message(),
                          "Copy the missing file, or download the model again.");
    }
    const std::filesystem::path root = trustedRoot(std::filesystem::canonical(folder));
    const auto [end, unused] =
        std::mismatch(root.begin(), root.end(), target.begin(), target.end());
    if (end != root.end()) {
        throw FormatError(indexFile, where, "is a link that leaves " + root.string());
    }
    return target;
}

} // namespace longlora
