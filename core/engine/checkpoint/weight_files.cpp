// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/shard_index.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"

#include <c10/core/ScalarType.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

namespace longlora {

/// The two ways in which weights lie in a folder. The first that is there is read.
struct WeightLayout {
    const char* single;
    const char* index;
    bool isPickle;
};

namespace {

constexpr std::array<WeightLayout, 2> kLayouts = {{
    {"model.safetensors", "model.safetensors.index.json", false},
    {"pytorch_model.bin", "pytorch_model.bin.index.json", true},
}};

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
    throw DataError("There are no weights in " + folder.string() +
                        ": neither model.safetensors nor pytorch_model.bin nor an index of either",
                    "Name a Hugging Face model folder with its weights.");
}

TensorFile openFile(const std::filesystem::path& file, const WeightLayout& layout)
{
    return layout.isPickle ? TensorFile(PickleFile::open(file))
                           : TensorFile(SafetensorsFile::open(file));
}

} // namespace

void WeightFiles::addFile(TensorFile file)
{
    for (const auto& [name, entry] : file.entries()) {
        const auto [earlier, isNew] = m_fileOfTensor.emplace(name, m_files.size());
        if (!isNew) {
            throw FormatError(file.path().string(), "tensor " + name,
                              "stands in " + m_files[earlier->second].path().string() + " too");
        }
    }
    m_files.push_back(std::move(file));
}

void WeightFiles::addShards(const std::filesystem::path& folder, const WeightLayout& layout)
{
    const std::filesystem::path index = folder / layout.index;
    const auto shardOfTensor = readShardIndex(index);
    std::map<std::string, std::size_t> numberOfShard;
    for (const auto& [tensor, shard] : shardOfTensor) {
        if (numberOfShard.try_emplace(shard, m_files.size()).second) {
            addFile(openFile(shardPath(folder, shard, index.string()), layout));
        }
    }
    for (const auto& [tensor, shard] : shardOfTensor) {
        const auto found = m_fileOfTensor.find(tensor);
        if (found == m_fileOfTensor.end() || found->second != numberOfShard.at(shard)) {
            throw FormatError(index.string(), "tensor " + tensor, "is not in " + shard);
        }
    }
}

/// Keeps the tensors that the config asks for; complains of missing, other and superfluous ones.
void WeightFiles::keepModel(const std::filesystem::path& folder, const ModelConfig& config)
{
    std::map<std::string, std::size_t> others = std::exchange(m_fileOfTensor, {});
    std::vector<std::string> problems;
    for (const WeightShape& expected : weightShapes(config)) {
        const auto found = others.find(expected.name);
        if (found == others.end()) {
            problems.push_back(expected.name + " is missing");
            continue;
        }
        const auto& entry = m_files[found->second].entries().at(expected.name);
        if (std::string problem = problemWith(entry, expected); !problem.empty()) {
            problems.push_back(std::move(problem));
        }
        m_fileOfTensor.insert(others.extract(found));
    }
    for (const auto& [name, file] : others) {
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
}

WeightFiles WeightFiles::open(const std::filesystem::path& folder, const ModelConfig& config)
{
    WeightFiles result;
    for (const WeightLayout& layout : kLayouts) {
        if (entryExists(folder / layout.single)) {
            result.addFile(openFile(folder / layout.single, layout));
        } else if (entryExists(folder / layout.index)) {
            result.addShards(folder, layout);
        } else {
            continue;
        }
        result.keepModel(folder, config);
        return result;
    }
    throwNoWeights(folder);
}

bool WeightFiles::contains(const std::string& name) const
{
    return m_fileOfTensor.contains(name);
}

const TensorFile& WeightFiles::holderOf(const std::string& name) const
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

void WeightFiles::readAhead(const std::string& name) const
{
    const TensorFile& file = holderOf(name);
    file.readAhead(file.entries().at(name));
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
