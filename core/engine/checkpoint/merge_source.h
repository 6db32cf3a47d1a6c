// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/base_model.h"

#include <filesystem>
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
    /// The low-rank update of a weight; nullptr: none.
    const LoraPair* update(const std::string& weight) const;

private:
    ModelConfig m_config;
    WeightFiles m_files;
    Adapter m_adapter;
};

} // namespace longlora
