// SPDX-License-Identifier: GPL-3.0-or-later
// Writing config.json. The rotary embedding is written as transformers 4 spells it (rope_theta,
// rope_scaling with both "type" and "rope_type"): old and new readers understand that.
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/json_object.h"
#include "core/spec/config/model_config.h"
#include "core/spec/config/rope_json.h"

#include <nlohmann/json.hpp>

namespace longlora {

namespace {

using Json = nlohmann::ordered_json;

void writeRope(Json& config, const RopeScaling& rope)
{
    Json scaling = Json::parse(ropeToJson(rope));
    config.erase("rope_parameters");
    config.erase("rope_condense_ratio");
    config["rope_theta"] = rope.theta;
    if (rope.kind == RopeKind::Default) {
        config["rope_scaling"] = nullptr;
        return;
    }
    scaling.erase("rope_theta");
    scaling["type"] = scaling["rope_type"];
    if (rope.kind == RopeKind::Dynamic) {
        // It follows from max_position_embeddings; transformers 4 does not know the key here.
        scaling.erase("original_max_position_embeddings");
    }
    config["rope_scaling"] = std::move(scaling);
}

} // namespace

std::string rewriteModelConfig(const std::filesystem::path& folder,
                               const ModelConfigChanges& changes)
{
    const std::filesystem::path file = folder / "config.json";
    const JsonLimits limits;
    const std::string text = readWholeFile(file, limits.bytes);
    requireSoundJson(text, file.string(), limits);
    Json config = Json::parse(text);
    writeRope(config, changes.rope);
    if (changes.tiedEmbeddings) {
        config["tie_word_embeddings"] = *changes.tiedEmbeddings;
    }
    if (changes.dtype) {
        config.erase("dtype");
        config["torch_dtype"] = *changes.dtype;
    }
    if (changes.maxPositionEmbeddings) {
        config["max_position_embeddings"] = *changes.maxPositionEmbeddings;
    }
    return config.dump(2) + "\n";
}

std::string modelConfigJson(const ModelConfig& model)
{
    Json config;
    config["architectures"] = {model.architecture};
    config["model_type"] = "llama";
    config["attention_bias"] = false;
    config["mlp_bias"] = false;
    config["bos_token_id"] = model.bosTokenId ? Json(*model.bosTokenId) : Json(nullptr);
    if (model.eosTokenIds.size() == 1) {
        config["eos_token_id"] = model.eosTokenIds.front();
    } else {
        config["eos_token_id"] =
            model.eosTokenIds.empty() ? Json(nullptr) : Json(model.eosTokenIds);
    }
    config["vocab_size"] = model.vocabularySize;
    config["hidden_size"] = model.hiddenSize;
    config["intermediate_size"] = model.intermediateSize;
    config["num_hidden_layers"] = model.layerCount;
    config["num_attention_heads"] = model.headCount;
    config["num_key_value_heads"] = model.kvHeadCount;
    config["head_dim"] = model.headDim;
    config["hidden_act"] = "silu";
    config["max_position_embeddings"] = model.maxPositionEmbeddings;
    config["rms_norm_eps"] = model.rmsNormEpsilon;
    config["tie_word_embeddings"] = model.tiedEmbeddings;
    config["use_cache"] = true;
    if (!model.storedDtype.empty()) {
        config["torch_dtype"] = model.storedDtype;
    }
    writeRope(config, model.rope);
    return config.dump(2) + "\n";
}

} // namespace longlora
