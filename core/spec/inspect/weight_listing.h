// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace longlora {

enum class WeightFormat { None, Safetensors, ShardedSafetensors, Pytorch, ShardedPytorch };

/// The files that hold a model's weights, by their names.
struct WeightListing {
    WeightFormat format = WeightFormat::None;
    std::int64_t files = 0;           ///< there
    double bytes = 0.0;               ///< of those
    std::string index;                ///< name of the file that lists them; empty: there is none
    std::vector<std::string> missing; ///< named by the index, and not there

    bool isComplete() const { return format != WeightFormat::None && missing.empty(); }
};

/// Safetensors where there are any, else PyTorch's files. An index is read, a weight file is not.
/// Throws: FormatError, DataError if the index cannot be read or a weight file is no file.
WeightListing listWeights(const std::filesystem::path& folder);

/// For people: "safetensors", "safetensors in 5 files", "PyTorch (.bin)", "none".
std::string describeWeights(const WeightListing& weights);

} // namespace longlora
