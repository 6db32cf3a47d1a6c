// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace longlora {

/// What a tensor of an adapter file stands for.
struct TensorRole {
    enum class Kind {
        LoraA,
        LoraB,
        EmbeddingA, ///< low-rank update of an embedding, transposed
        EmbeddingB,
        TokenRows, ///< rows that replace those of trainable_token_indices
        Replaced,
        Ignored,
        Unknown,
    };
    Kind kind = Kind::Unknown;
    std::string name; ///< module for LoRA, weight for TokenRows and Replaced
};

/// Reads a key in the spellings of PEFT now ("X.lora_A.weight", "X.weight"), of older ones and of
/// hand-made files ("X.lora_A.default.weight", "X.modules_to_save.default.weight",
/// "X.base_layer.weight": the weight an update stands on; "X.original_module.weight": ignored).
/// `prefixIsOptional`: "base_model.model." may be missing, as in LongLoRA's files.
TensorRole tensorRole(std::string_view key, bool prefixIsOptional = false);

} // namespace longlora
