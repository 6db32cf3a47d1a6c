// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/base_model.h"

#include <filesystem>
#include <functional>
#include <string>

namespace longlora {

/// A base on disk, if wanted with an adapter over it, read tensor by tensor: for work on models
/// that need not fit into memory.
class MergeSource {
public:
    /// Throws: what readModelConfig, WeightFiles::open, readAdapter and attachAdapter throw.
    explicit MergeSource(const std::filesystem::path& base,
                         const std::filesystem::path& adapter = {});

    /// With the adapter's rope and tying.
    const ModelConfig& config() const noexcept { return m_config; }
    const WeightFiles& files() const noexcept { return m_files; }
    /// Whether low-rank update or trained tensor changes this weight.
    bool changes(const std::string& weight) const;
    /// What stands in the model's place of this name: the trained tensor, or the stored one (a view
    /// of the file). The head of a base that was tied is its embedding.
    at::Tensor weight(const std::string& name) const;
    /// The same in blocks of whole rows, from the first row on: of a weight that is mapped no more
    /// than the block that is being visited counts as memory of this process.
    void forEachBlock(
        const std::string& name,
        const std::function<void(std::int64_t firstRow, const at::Tensor& rows)>& visit) const;
    /// The file it is read from.
    std::filesystem::path fileOf(const std::string& name) const { return m_files.fileOf(name); }
    /// The low-rank update of a weight; nullptr: none.
    const LoraPair* update(const std::string& weight) const;
    /// Bytes the adapter takes in memory.
    double adapterBytes() const;
    /// Of the base. Empty without an adapter: nothing is compared with it then.
    const std::string& fingerprint() const noexcept { return m_fingerprint; }
    /// Of the base while the adapter was trained.
    Quantization trainedQuantization() const;
    /// Whether the adapter says of which base it is; if so it is of this one.
    bool namesItsBase() const;

private:
    /// A head that is tied in the base is stored as the embedding.
    std::string storedName(const std::string& name) const;
    at::Tensor stored(const std::string& name) const;

    ModelConfig m_config;
    WeightFiles m_files;
    Adapter m_adapter;
    std::string m_fingerprint;
};

} // namespace longlora
