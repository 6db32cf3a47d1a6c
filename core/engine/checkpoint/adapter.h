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
};

/// A PEFT LoRA adapter: low-rank pairs, and embeddings and norms trained whole (modules_to_save).
struct Adapter {
    std::string baseModel;                      ///< base_model_name_or_path
    std::map<std::string, LoraPair> pairs;      ///< by module name, as in forEachLinear
    std::map<std::string, at::Tensor> replaced; ///< by weight name, as in forEachWeight
    /// Ends of module names that modules_to_save lists; attaching asks for all of them.
    std::vector<std::string> savedModules;
    bool keepsTying = false; ///< ensure_weight_tying
    std::optional<AdapterOrigin> origin;
};

/// Reads adapter_config.json and adapter_model.safetensors. rsLoRA, rank_pattern and alpha_pattern
/// are honoured; anything that changes the mathematics in a way we do not know (DoRA, lora_bias,
/// fan_in_fan_out, ...) is refused by name. Throws: FormatError, DataError (NaN).
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
};
/// Writes adapter_config.json and adapter_model.safetensors as PEFT 0.21 does (fp32, plain module
/// names, modules_to_save tensors complete: embeddings and all norms) and longlora_adapter.json.
/// `pairs` and `replaced` as in Adapter. Throws: DataError.
void writeAdapter(const std::filesystem::path& folder, const AdapterDescription& description,
                  const std::map<std::string, LoraPair>& pairs,
                  const std::map<std::string, at::Tensor>& replaced);

} // namespace longlora
