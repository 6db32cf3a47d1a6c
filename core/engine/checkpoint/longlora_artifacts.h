// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace longlora {

/// What `longlora import longlora` is asked for.
struct LongLoraImport {
    std::filesystem::path folder; ///< adapter_config.json, adapter_model.bin, trainable_params.bin
    std::filesystem::path output; ///< must not exist
    /// The model it was trained on: checked against the adapter, and needed to know a rope. Empty:
    /// what adapter_config.json names, if it is a folder or in the local cache; else none.
    std::string base;
    /// LongLoRA's files do not say how far the context was extended; either may be given.
    std::int64_t context =
        0; ///< tokens, as LongLoRA counts: a linear factor, rounded up; 0: unknown
    double ropeFactor = 0.0; ///< linear; 0: unknown
};

/// What came of it.
struct LongLoraReport {
    std::string base; ///< folder it was checked against; empty: none
    std::int64_t pairs = 0;
    std::int64_t wholeWeights = 0;
    std::int64_t vocabulary = 0; ///< rows of the trained embedding; 0: there is none
    double bytes = 0.0;          ///< of the folder written
    std::string rope;            ///< for people; empty: unknown
    std::int64_t contextLength = 0;
};

/// The files of LongLoRA's repository (whose trained embeddings and norms stand in a file of their
/// own, under names without PEFT's prefix) -> a PEFT adapter folder as our trainer writes it. The
/// folder appears complete or not at all.
/// Source: LongLoRA, get_trainable_weights.py and merge_lora_weights_and_save_hf_model.py.
/// Throws: what readAdapter throws; ConfigError (output exists, a rope without a base); DataError
/// (another base).
LongLoraReport importLongLora(const LongLoraImport& request);

} // namespace longlora
