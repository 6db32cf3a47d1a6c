// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <ostream>
#include <string>

namespace longlora::test {

using NamedTensors = std::map<std::string, at::Tensor>;

/// All tensors of a golden model, copied into memory.
NamedTensors goldenWeights(const std::string& model);

/// A copy of a golden folder (a model or an adapter) at `to`, writable.
void copyGolden(const std::string& relative, const std::filesystem::path& to);

/// A model folder with the config of a golden model and these weights in one file.
void writeModelFolder(const std::filesystem::path& folder, const std::string& configOf,
                      const NamedTensors& weights);

/// Replaces `what` by `with` in a text file; it must stand there.
void editText(const std::filesystem::path& file, const std::string& what, const std::string& with);

/// A copy of llama-mha whose head is tied to its embedding.
void writeTiedModel(const std::filesystem::path& folder);

/// One golden training: its base, and the rope it was trained with.
struct TrainedAdapter {
    std::string name;
    std::string base;
    double linearFactor = 0.0; ///< 0: the base's own rope
};
/// For GoogleTest's messages.
inline void PrintTo(const TrainedAdapter& trained, std::ostream* stream)
{
    *stream << trained.name;
}
/// The final adapter of a golden training with its origin beside it, as our trainer writes it.
void writeTrainedAdapter(const TrainedAdapter& trained, const std::filesystem::path& folder);

inline bool holds(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

/// The message of the Error that `action` throws; empty if it throws none.
template <typename Expected, typename Action>
std::string messageOf(const Action& action)
{
    try {
        action();
    } catch (const Expected& error) {
        return error.describe();
    }
    return {};
}

} // namespace longlora::test
