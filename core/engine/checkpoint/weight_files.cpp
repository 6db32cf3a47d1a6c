// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/shard_index.h"
#include "core/spec/base/error.h"

#include <c10/core/ScalarType.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace longlora {

namespace {

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

bool isThere(const std::filesystem::path& path)
{
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

/// Buffers that old files hold and everybody computes anew: frequencies, and GPT-NeoX's causal mask
/// and the number it masks with.
bool isOldBuffer(const std::string& name, const ModelConfig& config)
{
    const bool isMask =
        name.ends_with(".attention.bias") || name.ends_with(".attention.masked_bias");
    return name.ends_with(".rotary_emb.inv_freq") || (isMask && config.fusedQueryKeyValue);
}

bool isFloating(at::ScalarType dtype)
{
    return dtype == at::kFloat || dtype == at::kBFloat16 || dtype == at::kHalf ||
           dtype == at::kDouble;
}

/// The first few, and how many more there are.
std::string summary(const std::vector<std::string>& problems)
{
    constexpr std::size_t kShown = 3;
    const std::size_t shown = std::min(problems.size(), kShown);
    std::string text =
        fmt::format("{}", fmt::join(problems.begin(),
                                    problems.begin() + static_cast<std::ptrdiff_t>(shown), "; "));
    if (problems.size() > shown) {
        text += fmt::format("; and {} more", problems.size() - shown);
    }
    return text;
}

/// Compares a stored tensor with what config.json demands; empty if it is right.
std::string problemWith(const SafetensorsFile::Entry& entry, const WeightShape& expected)
{
    if (!isFloating(entry.dtype)) {
        return fmt::format("{} holds {} numbers", expected.name, c10::toString(entry.dtype));
    }
    if (entry.sizes != expected.sizes) {
        return fmt::format("{} is [{}] instead of [{}]", expected.name,
                           fmt::join(entry.sizes, ", "), fmt::join(expected.sizes, ", "));
    }
    return {};
}

[[noreturn]] void throwNoWeights(const std::filesystem::path& folder)
{
    const bool hasPickle =
        isThere(folder / "pytorch_model.bin") || isThere(folder / "pytorch_model.bin.index.json");
    throw DataError("There are no weights in " + folder.string() + ": neither " + kSingleFile +
                        " nor " + kIndexFile,
                    hasPickle ? "pytorch_model.bin is not read: convert the model to safetensors."
                              : "Name a Hugging Face model folder with its weights.");
}

} // namespace

WeightFiles WeightFiles::open(const std::filesystem::path& folder, const ModelConfig& config)
{
    WeightFiles result;
    std::map<std::string, std::size_t> holder; // of every tensor in any file
    const auto addFile = [&](const std::filesystem::path& file) {
        result.m_files.push_back(SafetensorsFile::open(file));
        for (const auto& [name, entry] : result.m_files.back().entries()) {
            const auto [earlier, isNew] = holder.emplace(name, result.m_files.size() - 1);
            if (!isNew) {
                throw FormatError(file.string(), "tensor " + name,
                                  "stands in " + result.m_files[earlier->second].path().string() +
                                      " too");
            }
        }
    };

    if (isThere(folder / kSingleFile)) {
        addFile(folder / kSingleFile);
    } else if (isThere(folder / kIndexFile)) {
        const std::filesystem::path index = folder / kIndexFile;
        const auto shardOfTensor = readShardIndex(index);
        std::map<std::string, std::size_t> numberOfShard;
        for (const auto& [tensor, shard] : shardOfTensor) {
            if (numberOfShard.try_emplace(shard, result.m_files.size()).second) {
                addFile(shardPath(folder, shard, index.string()));
            }
        }
        for (const auto& [tensor, shard] : shardOfTensor) {
            const auto found = holder.find(tensor);
            if (found == holder.end() || found->second != numberOfShard.at(shard)) {
                throw FormatError(index.string(), "tensor " + tensor, "is not in " + shard);
            }
        }
    } else {
        throwNoWeights(folder);
    }

    std::vector<std::string> problems;
    for (const WeightShape& expected : weightShapes(config)) {
        const auto found = holder.find(expected.name);
        if (found == holder.end()) {
            problems.push_back(expected.name + " is missing");
            continue;
        }
        const auto& entry = result.m_files[found->second].entries().at(expected.name);
        if (std::string problem = problemWith(entry, expected); !problem.empty()) {
            problems.push_back(std::move(problem));
        }
        result.m_fileOfTensor.insert(holder.extract(found));
    }
    for (const auto& [name, file] : holder) {
        // Some tied models store the head a second time; readers of the config do not look at it.
        const bool isSecondHead =
            config.tiedEmbeddings && name == weightName(config, ModelPart::Head);
        if (!isOldBuffer(name, config) && !isSecondHead) {
            problems.push_back(name + " has no place in the model");
        }
    }
    if (!problems.empty()) {
        throw FormatError(folder.string(), {},
                          "the weights are not those of config.json: " + summary(problems),
                          "Use the config.json that belongs to the weights.");
    }
    return result;
}

bool WeightFiles::contains(const std::string& name) const
{
    return m_fileOfTensor.contains(name);
}

const SafetensorsFile& WeightFiles::holderOf(const std::string& name) const
{
    const auto found = m_fileOfTensor.find(name);
    if (found == m_fileOfTensor.end()) {
        throw FormatError(m_files.front().path().parent_path().string(), {},
                          "there is no weight " + name);
    }
    return m_files[found->second];
}

at::Tensor WeightFiles::tensor(const std::string& name) const
{
    return holderOf(name).tensor(name);
}

const std::filesystem::path& WeightFiles::fileOf(const std::string& name) const
{
    return holderOf(name).path();
}

at::ScalarType WeightFiles::storedDtype() const
{
    std::map<at::ScalarType, std::uint64_t> bytesOf;
    for (const auto& [name, file] : m_fileOfTensor) {
        const auto& entry = m_files[file].entries().at(name);
        bytesOf[entry.dtype] += entry.bytes;
    }
    return std::max_element(
               bytesOf.begin(), bytesOf.end(),
               [](const auto& left, const auto& right) { return left.second < right.second; })
        ->first;
}

double WeightFiles::totalBytes() const
{
    double bytes = 0.0;
    for (const auto& [name, file] : m_fileOfTensor) {
        bytes += static_cast<double>(m_files[file].entries().at(name).bytes);
    }
    return bytes;
}

} // namespace longlora
