// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/unsupported_fields.h"

#include <fmt/format.h>

#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace longlora {

namespace {

using Reason = std::pair<std::string_view, std::string_view>;

constexpr std::string_view kExperts = "mixtures of experts are not supported";
constexpr std::string_view kAttention = "this kind of attention is not supported";
constexpr std::string_view kPositions = "positions of this kind are not supported";
constexpr std::string_view kCapping = "capping of scores or logits is not supported";
constexpr std::string_view kShape = "models of this shape are not supported";
constexpr std::string_view kScaling = "scaling of activations is not supported";

/// Wrong whenever they are on.
constexpr Reason kSwitches[] = {
    {"num_experts", kExperts},
    {"num_local_experts", kExperts},
    {"n_routed_experts", kExperts},
    {"num_experts_per_tok", kExperts},
    {"moe_intermediate_size", kExperts},
    {"moe_layers", kExperts},
    {"kv_lora_rank", kAttention},
    {"q_lora_rank", kAttention},
    {"dual_chunk_attention_config", kAttention},
    {"attention_chunk_size", kAttention},
    {"attn_temperature_tuning", kAttention},
    {"attention_sinks", kAttention},
    {"use_logn_attn", kAttention},
    {"query_pre_attn_scalar", kAttention},
    {"use_qk_norm", kAttention},
    {"qk_layernorm", kAttention},
    {"qk_norm", kAttention},
    {"cross_attention_layers", kAttention},
    {"add_cross_attention", kAttention},
    {"num_kv_shared_layers", kAttention},
    {"alibi", kPositions},
    {"use_alibi", kPositions},
    {"no_rope_layers", kPositions},
    {"no_rope_layer_interval", kPositions},
    {"use_dynamic_ntk", kPositions},
    {"rope_interleaved", kPositions},
    {"rope_interleave", kPositions},
    {"rope_local_base_freq", kPositions},
    {"rope_local_theta", kPositions},
    {"rotary_dim", kPositions},
    {"clip_qkv", kCapping},
    {"attn_logit_softcapping", kCapping},
    {"final_logit_softcapping", kCapping},
    {"logit_softcapping", kCapping},
    {"is_encoder_decoder", kShape},
    {"vision_config", kShape},
    {"audio_config", kShape},
    {"text_config", kShape},
    {"tie_encoder_decoder", kShape},
    {"pruned_heads", kShape},
    {"cla_share_factor", kShape},
    {"mlp_only_layers", kExperts},
    {"use_parallel_embedding", kShape},
    {"use_bidirectional_attention", kAttention},
    {"apply_residual_connection_post_layernorm", kShape},
    {"post_norm", kShape},
    {"scale_embedding", kScaling},
    {"softmax_scale", kScaling},
    {"attention_scale", kScaling},
    {"scale_depth", kScaling},
    {"dim_model_base", kScaling},
};

/// Wrong unless they are 1.
constexpr Reason kMultipliers[] = {
    {"attention_multiplier", kScaling}, {"embedding_multiplier", kScaling},
    {"residual_multiplier", kScaling},  {"logits_scaling", kScaling},
    {"logit_scale", kScaling},          {"scale_emb", kScaling},
    {"mup_width_multiplier", kScaling}, {"rope_ratio", kPositions},
    {"rope_pct", kPositions},
};

constexpr double kLargest = std::numeric_limits<double>::max();

bool isOne(const JsonObject& config, std::string_view key)
{
    return config.isNumber(key) && config.number(key, -kLargest, kLargest) == 1.0;
}

} // namespace

void refuseUnsupportedFields(const JsonObject& config)
{
    for (const std::string_view key : {"quantization_config", "compression_config"}) {
        if (!config.isOff(key)) {
            config.refuse(key, "the weights are stored quantized",
                          "Use the folder with the original weights.");
        }
    }
    const auto refuse = [&](const Reason& reason) {
        config.refuse(reason.first,
                      fmt::format("is {}: {}", config.valueText(reason.first), reason.second),
                      "Use another model: without it the results would be wrong.");
    };
    for (const Reason& reason : kSwitches) {
        if (!config.isOff(reason.first)) {
            refuse(reason);
        }
    }
    for (const Reason& reason : kMultipliers) {
        if (config.has(reason.first) && !isOne(config, reason.first)) {
            refuse(reason);
        }
    }
    constexpr std::string_view kPositionType = "position_embedding_type";
    if (config.has(kPositionType)) {
        const std::string type = config.text(kPositionType);
        if (type != "rope" && type != "rotary") {
            config.refuse(kPositionType, "\"" + type + "\": " + std::string(kPositions));
        }
    }
}

} // namespace longlora
