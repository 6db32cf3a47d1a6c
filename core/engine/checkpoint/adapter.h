// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/model/decoder_model.h"
#include "core/spec/config/run_config.h"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace longlora {

/// What our own adapters say beside PEFT's files (longlora_adapter.json).
struct AdapterOrigin {
    RopeScaling baseRope;    ///< of the model it was trained on
    RopeScaling rope;        ///< it was trained with
    std::string fingerprint; ///< baseFingerprint of that model
    std::int64_t contextLength = 0;
    Quantization quantization = Quantization::None; ///< of the base while it was trained
};

/// Rows of an embedding or head that were trained alone (trainable_token_indices).
struct TrainedRows {
    std::vector<std::int64_t> tokens; ///< distinct
    at::Tensor values;                ///< [tokens, hidden]: they replace the rows
};

/// A PEFT LoRA adapter: low-rank pairs, and embeddings and norms trained whole (modules_to_save).
struct Adapter {
    std::string baseModel;                      ///< base_model_name_or_path
    std::map<std::string, LoraPair> pairs;      ///< by module name, as in forEachLinear
    std::map<std::string, at::Tensor> replaced; ///< by weight name, as in forEachWeight
    /// Low-rank updates of embeddings by module name: W + scale (B A)^T.
    std::map<std::string, LoraPair> embeddingPairs;
    std::map<std::string, TrainedRows> rows; ///< by weight name
    /// trainable_token_indices names a module without rows of its own: a head that is tied.
    bool headRowsAreTied = false;
    /// Ends of module names that modules_to_save lists; attaching asks for all of them.
    std::vector<std::string> savedModules;
    bool keepsTying = false; ///< ensure_weight_tying
    /// LongLoRA's: an embedding with more rows than the base's widens the base, and the head gets
    /// rows that are the mean of its old ones.
    bool addsVocabulary = false;
    std::optional<AdapterOrigin> origin;
    /// Keys of adapter_config.json that PEFT 0.21 does not know either: they are passed over.
    std::vector<std::string> unknownKeys;
};

/// Reads adapter_config.json and adapter_model.safetensors, else adapter_model.bin, and with it
/// LongLoRA's trainable_params.bin. rsLoRA, rank_pattern and alpha_pattern are honoured; anything
/// that changes the mathematics in a way we do not know (DoRA, lora_bias, fan_in_fan_out, ...) is
/// refused by name. Throws: FormatError, DataError (NaN; no adapter here, but in sub-folders, which
/// are named).
Adapter readAdapter(const std::filesystem::path& folder);

/// Puts `adapter` onto `model` (cast to its dtype and device) and sets the rope it was trained
/// with. Throws: DataError if it is of another base: module missing, shape unlike, fingerprint
/// unlike (only where the adapter has one and `modelFingerprint` is not empty), rope of the model
/// neither the adapter's nor its base's; or if it lacks a module that it says is trained whole. The
/// message says which.
void attachAdapter(DecoderModel& model, const Adapter& adapter,
                   const std::string& modelFingerprint = {});

/// What is written beside the tensors.
struct AdapterDescription {
    std::string baseModel;
    LoraConfig lora;
    std::optional<AdapterOrigin> origin;
    bool keepsTying = false;
    bool addsVocabulary = false;
};
/// Writes adapter_config.json and adapter_model.safetensors as PEFT 0.21 does (fp32, plain module
/// names, modules_to_save tensors complete: embeddings and all norms) and longlora_adapter.json.
/// `pairs` and `replaced` as in Adapter. Throws: DataError.
void writeAdapter(const std::filesystem::path& folder, const AdapterDescription& description,
                  const std::map<std::string, LoraPair>& pairs,
                  const std::map<std::string, at::Tensor>& replaced);

} // namespace longlora
