// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"
#include "core/spec/text/tokenizer.h"

#include <filesystem>
#include <memory>

namespace longlora {

struct DecoderModel;

struct LoadOptions {
    std::filesystem::path model;
    std::filesystem::path adapter; ///< empty: none
    DeviceKind device = DeviceKind::Auto;
    ComputePrecision precision = ComputePrecision::Auto; ///< auto is fp32 for what is stored so
};

/// A model ready to be evaluated or asked, with its tokenizer. For those who must not see tensors.
class LoadedModel {
public:
    /// Throws: what loadBaseModel, readAdapter and attachAdapter throw.
    explicit LoadedModel(const LoadOptions& options, const ProgressCallback& progress = {});
    ~LoadedModel();
    LoadedModel(LoadedModel&&) noexcept;

    const ModelConfig& config() const;
    /// Throws: DataError if the folder has no tokenizer; FormatError if it cannot be read.
    const Tokenizer& tokenizer() const;
    bool hasTokenizer() const;
    const std::filesystem::path& folder() const;
    const DecoderModel& decoder() const;
    /// Replaces the rotary embedding, e.g. to measure what interpolation alone does.
    void setRope(const RopeScaling& rope);

private:
    struct Parts;
    std::unique_ptr<Parts> m_parts;
};

} // namespace longlora
