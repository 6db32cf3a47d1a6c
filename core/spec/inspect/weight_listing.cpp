// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/inspect/weight_listing.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"

#include <fmt/format.h>

#include <set>
#include <system_error>

namespace longlora {

namespace fs = std::filesystem;

namespace {

/// Names of files that an index lists; what could lead elsewhere is no name of one.
std::set<std::string> shardsOf(const fs::path& indexFile)
{
    constexpr JsonLimits kLimits{.bytes = std::size_t{8} << 20, .depth = 4};
    const JsonObject index =
        JsonObject::parse(readWholeFile(indexFile, kLimits.bytes), indexFile.string(), kLimits);
    const JsonObject weights = index.object("weight_map");
    std::set<std::string> shards;
    for (const std::string& tensor : weights.keys()) {
        const std::string shard = weights.text(tensor);
        if (fs::path(shard).filename() != shard) {
            weights.refuse(tensor, "must be the bare name of a file");
        }
        shards.insert(shard);
    }
    return shards;
}

void addFile(WeightListing& listing, const fs::path& file)
{
    std::error_code problem;
    if (!fs::exists(file, problem)) {
        listing.missing.push_back(file.filename().string());
        return;
    }
    if (!fs::is_regular_file(file, problem)) {
        throw DataError(file.string() + " is not a regular file", "Put the weights there.");
    }
    const std::uintmax_t bytes = fs::file_size(file);
    ++listing.files;
    listing.bytes += static_cast<double>(bytes);
}

} // namespace

WeightListing listWeights(const fs::path& folder)
{
    struct Spelling {
        const char* file;
        WeightFormat whole;
        WeightFormat sharded;
    };
    constexpr Spelling kSpellings[] = {
        {"model.safetensors", WeightFormat::Safetensors, WeightFormat::ShardedSafetensors},
        {"pytorch_model.bin", WeightFormat::Pytorch, WeightFormat::ShardedPytorch}};
    WeightListing listing;
    for (const Spelling& spelling : kSpellings) {
        const fs::path indexFile = folder / (std::string(spelling.file) + ".index.json");
        if (entryExists(folder / spelling.file)) {
            listing.format = spelling.whole;
            addFile(listing, folder / spelling.file);
            return listing;
        }
        if (entryExists(indexFile)) {
            listing.format = spelling.sharded;
            listing.index = indexFile.filename().string();
            for (const std::string& shard : shardsOf(indexFile)) {
                addFile(listing, folder / shard);
            }
            return listing;
        }
    }
    return listing;
}

std::string describeWeights(const WeightListing& weights)
{
    switch (weights.format) {
    case WeightFormat::None:
        return "none";
    case WeightFormat::Safetensors:
        return "safetensors";
    case WeightFormat::ShardedSafetensors:
        return fmt::format("safetensors in {} files", weights.files);
    case WeightFormat::Pytorch:
        return "PyTorch (.bin)";
    case WeightFormat::ShardedPytorch:
        return fmt::format("PyTorch (.bin) in {} files", weights.files);
    }
    return {};
}

} // namespace longlora
