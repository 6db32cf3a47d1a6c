// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/tensor_file.h"
#include "core/engine/model/decoder_model.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/progress.h"

#include <filesystem>
#include <map>
#include <string>

namespace longlora {

struct WeightLayout;

/// The weight files of a Hugging Face folder: model.safetensors or the shards of
/// model.safetensors.index.json, else pytorch_model.bin or the shards of its index, checked against
/// each other and against the config.
class WeightFiles {
public:
    /// Throws: FormatError / DataError: no weights, missing or truncated shard, name or shape
    /// unlike config.json, a tensor in no shard, unsafe file names.
    static WeightFiles open(const std::filesystem::path& folder, const ModelConfig& config);
    bool contains(const std::string& name) const;
    /// As stored, a view of the map.
    at::Tensor tensor(const std::string& name) const;
    /// Asks the kernel to read a tensor that will be touched soon.
    void readAhead(const std::string& name) const;
    /// The file a tensor stands in. Throws: FormatError if there is no such tensor.
    const std::filesystem::path& fileOf(const std::string& name) const;
    /// Dtype most weights are stored in.
    at::ScalarType storedDtype() const;
    double totalBytes() const;

private:
    void addFile(TensorFile file);
    void addShards(const std::filesystem::path& folder, const WeightLayout& layout);
    void keepModel(const std::filesystem::path& folder, const ModelConfig& config);
    const TensorFile& holderOf(const std::string& name) const;

    std::vector<TensorFile> m_files;
    std::map<std::string, std::size_t> m_fileOfTensor;
};

/// Reads a whole model; with nf4 each linear weight of a layer goes into 4 bits as it is read, from
/// the numbers that are stored. Throws: as WeightFiles and readModelConfig; DataError for NaN or
/// infinity in a weight (named); DeviceError out of memory; Cancelled.
DecoderModel loadBaseModel(const std::filesystem::path& folder, const ComputePlace& place,
                           const ProgressCallback& progress = {},
                           Quantization quantization = Quantization::None);

/// SHA-256 over the names, shapes and dtypes of all weights and the first 4 KiB of each: tells one
/// base from another in milliseconds.
std::string baseFingerprint(const std::filesystem::path& folder);

/// Writes weights (as `dtype`), config.json and generation_config.json into an existing folder and
/// copies the tokenizer files of `tokenizerFolder` if given. Throws: DataError.
void saveModel(DecoderModel& model, const std::filesystem::path& folder, at::ScalarType dtype,
               const std::filesystem::path& tokenizerFolder = {});

} // namespace longlora
