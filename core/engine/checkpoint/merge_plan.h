// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/merge_source.h"
#include "core/engine/checkpoint/weight_shards.h"
#include "core/spec/run/merge_service.h"

#include <string>
#include <vector>

namespace longlora {

/// All that is decided before the first byte of a merge is written.
class MergePlan {
public:
    /// Throws: ConfigError (dtype unknown, output inside base or adapter or not to be replaced,
    /// positions that this rope cannot have), DataError and FormatError (base or adapter unfit).
    explicit MergePlan(const MergeRequest& request);

    const MergeSource& source() const noexcept { return m_source; }
    /// Of the safetensors files; a GGUF file is made of them.
    at::ScalarType dtype() const noexcept { return m_dtype; }
    /// "bf16", "q8_0": of the output.
    std::string dtypeName() const;
    const std::vector<WeightShard>& shards() const noexcept { return m_shards; }
    /// Length of the text whose logits are compared.
    std::int64_t comparedTokens() const;
    MergePreview preview() const;
    /// Throws: ConfigError (the output exists and is not to be replaced), DataError (too little
    /// space or memory, with both figures).
    void requireRoom() const;

private:
    MergeRequest m_request;
    MergeSource m_source;
    at::ScalarType m_dtype;
    std::vector<WeightShard> m_shards;
};

} // namespace longlora
