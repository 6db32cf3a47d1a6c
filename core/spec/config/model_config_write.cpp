// SPDX-License-Identifier: GPL-3.0-or-later
// Writing config.json. The rotary embedding is written as transformers 4 spells it (rope_theta or
// rotary_emb_base, rope_scaling with both "type" and "rope_type"): old and new readers understand
// that.
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/json_object.h"
#include "core/spec/config/model_config_parse.h"
#include "core/spec/config/model_family.h"
#include "core/spec/config/rope_json.h"

#include <nlohmann/json.hpp>

namespace longlora {

namespace {

using Json = nlohmann::ordered_json;

/// What transformers 5 keeps inside rope_parameters goes to the places of transformers 4.
void writeRope(Json& config, const ModelFamily& family, const RopeScaling& rope,
               double rotaryFraction)
{
    Json scaling = Json::parse(ropeToJson(rope));
    for (const char* key :
         {"rope_parameters", "rope_condense_ratio", "rope_theta", "rotary_emb_base", "rotary_pct",
          "partial_rotary_factor", "original_max_position_embeddings"}) {
        config.erase(key);
    }
    config[std::string(family.thetaKey)] = rope.theta;
    if (family.rotaryFraction != 1.0) {
        config["rotary_pct"] = rotaryFraction;
    }
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

const char* activationName(Activation activation)
{
    switch (activation) {
    case Activation::Silu:
        return "silu";
    case Activation::Gelu:
        return "gelu";
    case Activation::GeluTanh:
        return "gelu_new";
    }
    return "silu";
}

/// The keys by which a family chooses among its variants.
void writeVariant(Json& config, const ModelFamily& family, const ModelConfig& model)
{
    if (family.readsAttentionBias) {
        config["attention_bias"] = model.attentionOutputBias;
    }
    if (family.readsMlpBias) {
        config["mlp_bias"] = model.mlpBias;
    }
    if (family.readsParallelResidual) {
        config["use_parallel_residual"] = model.parallelResidual;
    }
    if (!family.fusedQueryKeyValue) {
        config["num_key_value_heads"] = model.kvHeadCount;
        config["head_dim"] = model.headDim;
    }
    const Json window = model.slidingWindow > 0 ? Json(model.slidingWindow) : Json(nullptr);
    if (family.window != WindowRule::None) {
        config["sliding_window"] = window;
    }
    if (family.window == WindowRule::Switched) {
        config["use_sliding_window"] = model.slidingWindow > 0;
        config["max_window_layers"] = model.slidingWindow > 0 ? 0 : model.layerCount;
    }
    config["hidden_act"] = activationName(model.activation);
    config[std::string(family.normEpsilonKey)] = model.normEpsilon;
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
    const ModelConfig model = parseModelConfig(text, file.string());
    writeRope(config, familyOf(model), changes.rope, model.rotaryFraction);
    if (changes.tiedEmbeddings) {
        config["tie_word_embeddings"] = *changes.tiedEmbeddings;
    }
    if (changes.dtype) {
        config.erase("dtype");
        config["torch_dtype"] = *changes.dtype;
    }
    if (changes.vocabularySize) {
        config["vocab_size"] = *changes.vocabularySize;
    }
    if (changes.maxPositionEmbeddings) {
        config["max_position_embeddings"] = *changes.maxPositionEmbeddings;
    }
    if (changes.limitIsTrainedLength && changes.rope.kind == RopeKind::Linear) {
        Json& limit = config["max_position_embeddings"];
        config["rope_scaling"]["original_max_position_embeddings"] = limit;
        limit = static_cast<std::int64_t>(limit.get<double>() * changes.rope.factor);
    }
    return config.dump(2) + "\n";
}

std::string modelConfigJson(const ModelConfig& model)
{
    const ModelFamily& family = familyOf(model);
    Json config;
    config["architectures"] = {family.architecture};
    config["model_type"] = family.modelType;
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
    writeVariant(config, family, model);
    config["max_position_embeddings"] = model.maxPositionEmbeddings;
    config["tie_word_embeddings"] = model.tiedEmbeddings;
    config["use_cache"] = true;
    if (!model.storedDtype.empty()) {
        config["torch_dtype"] = model.storedDtype;
    }
    writeRope(config, family, model.rope, model.rotaryFraction);
    return config.dump(2) + "\n";
}

} // namespace longlora
