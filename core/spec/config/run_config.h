// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace longlora {

enum class DataFormat { Auto, Text, Markdown, Jsonl, Tokens };
enum class Packing { Documents, Stream };
enum class ContextRope { Linear, Ntk, Yarn, Llama3, None };
enum class AttentionKind { S2, Full };
enum class GroupEdge { Clipped, Circular };
enum class TrainingMethod { Lora, Full };
enum class Quantization { None, Nf4 };
enum class ScheduleKind { Constant, Cosine, Linear };
enum class ComputePrecision { Auto, Bf16, Fp32, Fp64 };
/// What a layer's backward computes again instead of finding it kept; each level adds to the one
/// before. The layer's input is always kept.
enum class RecomputeLevel {
    Auto,   ///< the richest that fits
    None,   ///< only norms
    Mlp,    ///< the MLP's gate and up projections
    Qkv,    ///< the projections of q, k and v
    Output, ///< attention's output projection and the residual sum after it
    Full,   ///< attention: everything
};
/// How AdamW keeps its moments between steps.
enum class MomentFormat {
    Fp32,     ///< fp64 in a run that computes in fp64
    BFloat16, ///< both rounded at random
    EightBit, ///< the same in blocks that share a scale
};
enum class OffloadMode { Auto, On, Off };
enum class DeviceKind { Auto, Cpu, Cuda };

// Each field's label, unit, range and full description stand once, in run_config_fields.h.

struct DataConfig {
    std::vector<std::string> train;
    std::vector<std::string> validation;
    DataFormat format = DataFormat::Auto;
    Packing packing = Packing::Documents;
    bool maskDocuments = true;
    std::string chatTemplate = "auto"; ///< key "template"
    bool operator==(const DataConfig&) const = default;
};

struct ContextConfig {
    std::int64_t length = 0; ///< tokens; 0: the model's own
    ContextRope rope = ContextRope::Linear;
    std::optional<double> factor; ///< empty: ceil(length / the model's own context)
    bool operator==(const ContextConfig&) const = default;
};

struct AttentionConfig {
    AttentionKind kind = AttentionKind::S2;
    std::optional<std::int64_t> group; ///< tokens; empty: groupRatio x length
    double groupRatio = 0.25;
    GroupEdge edge = GroupEdge::Clipped;
    double fullFinalFraction = 0.0; ///< last part of the steps with full attention
    bool operator==(const AttentionConfig&) const = default;
};

struct LoraConfig {
    std::int64_t rank = 8;
    double alpha = 16.0;
    double dropout = 0.0;
    std::vector<std::string> targets = {"q_proj", "k_proj", "v_proj", "o_proj"};
    bool trainEmbeddings = true;
    bool trainNorms = true;
    double bLearningRateRatio = 1.0;
    bool operator==(const LoraConfig&) const = default;
};

struct OptimizerConfig {
    double learningRate = 2e-5;
    double beta1 = 0.9;
    double beta2 = 0.95;
    double epsilon = 1e-8;
    double weightDecay = 0.0;
    double clipNorm = 1.0;
    MomentFormat moments = MomentFormat::Fp32;
    bool operator==(const OptimizerConfig&) const = default;
};

struct ScheduleConfig {
    ScheduleKind kind = ScheduleKind::Constant;
    std::int64_t warmupSteps = 20;
    std::int64_t steps = 1000;
    std::optional<double> epochs;
    bool operator==(const ScheduleConfig&) const = default;
};

struct BatchConfig {
    std::int64_t microBatch = 1;
    std::int64_t accumulation = 8;
    bool operator==(const BatchConfig&) const = default;
};

struct PrecisionConfig {
    ComputePrecision compute = ComputePrecision::Auto;
    bool deterministic = false; ///< on a GPU; a processor always is
    bool operator==(const PrecisionConfig&) const = default;
};

struct MemoryConfig {
    RecomputeLevel recompute = RecomputeLevel::Auto;
    OffloadMode offload = OffloadMode::Auto;
    std::string tile = "auto";
    bool operator==(const MemoryConfig&) const = default;
};

struct DevicesConfig {
    DeviceKind kind = DeviceKind::Auto;
    std::int64_t ranks = 1;
    std::int64_t sequenceParallel = 1;
    bool operator==(const DevicesConfig&) const = default;
};

struct EvaluationConfig {
    std::int64_t everySteps = 100; ///< 0: never
    std::int64_t passkeyEverySteps = 0;
    bool operator==(const EvaluationConfig&) const = default;
};

struct CheckpointConfig {
    std::int64_t everySteps = 100; ///< 0: only at the end and on request
    std::int64_t keep = 2;
    bool operator==(const CheckpointConfig&) const = default;
};

/// Everything needed to repeat a run. The JSON of `run.json` is this, complete.
struct RunConfig {
    std::string model; ///< Hugging Face folder
    std::string runName;
    std::int64_t seed = 42;
    DataConfig data;
    ContextConfig context;
    AttentionConfig attention;
    LoraConfig lora;
    TrainingMethod method = TrainingMethod::Lora;
    Quantization quantization = Quantization::None;
    OptimizerConfig optimizer;
    ScheduleConfig schedule;
    BatchConfig batch;
    PrecisionConfig precision;
    MemoryConfig memory;
    DevicesConfig devices;
    EvaluationConfig evaluation;
    CheckpointConfig checkpoint;
    bool operator==(const RunConfig&) const = default;
};

} // namespace longlora
