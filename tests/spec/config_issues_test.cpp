// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/config_json.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <optional>

namespace longlora {
namespace {

/// A model with a context of 4,096.
ModelConfig model4k()
{
    ModelConfig model;
    model.architecture = "LlamaForCausalLM";
    model.vocabularySize = 1000;
    model.hiddenSize = 64;
    model.intermediateSize = 128;
    model.layerCount = 2;
    model.headCount = 4;
    model.kvHeadCount = 4;
    model.headDim = 16;
    model.maxPositionEmbeddings = 4096;
    return model;
}

ModelConfig neox4k()
{
    ModelConfig model = model4k();
    model.architecture = "GPTNeoXForCausalLM";
    model.fusedQueryKeyValue = true;
    model.gatedMlp = false;
    return model;
}

ModelConfig scaledModel(RopeKind kind, double factor, std::int64_t original)
{
    ModelConfig model = model4k();
    model.rope.kind = kind;
    model.rope.factor = factor;
    model.rope.originalMaxPositionEmbeddings = original;
    return model;
}

/// A configuration with nothing to say about.
RunConfig goodConfig()
{
    RunConfig config;
    config.model = "/models/base";
    config.data.train = {"book.txt"};
    config.context.length = 16384;
    return config;
}

std::optional<ConfigIssue> issueAt(const RunConfig& config, const std::string& field,
                                   const ModelConfig* model)
{
    for (const ConfigIssue& issue : validate(config, model)) {
        if (issue.field == field) {
            return issue;
        }
    }
    return std::nullopt;
}

std::optional<ConfigIssue> issueAt(const RunConfig& config, const std::string& field)
{
    const ModelConfig model = model4k();
    return issueAt(config, field, &model);
}

/// What the issue about `field` is after `setting` was made.
void expectIssue(const char* setting, Severity severity, const std::string& part,
                 const std::string& suggestion)
{
    RunConfig config = goodConfig();
    applySetting(config, setting);
    const std::string key(setting, std::string_view(setting).find('='));
    const std::optional<ConfigIssue> issue = issueAt(config, key);
    ASSERT_TRUE(issue) << setting;
    EXPECT_EQ(issue->severity, severity) << setting;
    EXPECT_NE(issue->message.find(part), std::string::npos) << setting << ": " << issue->message;
    EXPECT_EQ(issue->suggestion, suggestion) << setting;
    if (!suggestion.empty() && severity == Severity::Error) {
        applySetting(config, key + "=" + suggestion);
        const std::optional<ConfigIssue> after = issueAt(config, key);
        EXPECT_TRUE(!after || after->severity != Severity::Error)
            << setting << " still wrong after the suggestion " << suggestion;
    }
}

void expectError(const char* setting, const std::string& part, const std::string& suggestion)
{
    expectIssue(setting, Severity::Error, part, suggestion);
}

TEST(Validate, SaysNothingAboutAGoodConfiguration)
{
    const ModelConfig model = model4k();
    EXPECT_TRUE(validate(goodConfig(), &model).empty());
    EXPECT_TRUE(validate(goodConfig(), nullptr).empty());
    EXPECT_NO_THROW(requireValid(goodConfig(), &model));
}

TEST(Validate, AsksForWhatIsMissing)
{
    const std::vector<ConfigIssue> issues = validate(RunConfig(), nullptr);
    ASSERT_EQ(issues.size(), 2U);
    EXPECT_EQ(issues[0].field, "model");
    EXPECT_EQ(issues[1].field, "data.train");
    expectError("data.train=[\"\"]", "empty name", "");
}

TEST(Validate, FourBitsAreForFrozenWeights)
{
    RunConfig config = goodConfig();
    config.quantization = Quantization::Nf4;
    EXPECT_TRUE(validate(config, nullptr).empty());
    config.method = TrainingMethod::Full;
    const std::vector<ConfigIssue> issues = validate(config, nullptr);
    ASSERT_EQ(issues.size(), 1U);
    EXPECT_EQ(issues[0].field, "quantization");
    EXPECT_EQ(issues[0].suggestion, "\"none\"");
}

TEST(Validate, RefusesWhatThisVersionCannotDo)
{
    expectError("memory.tile=0", "memory.tile 0 is neither auto nor a number", "\"auto\"");
    expectError("memory.tile=10k", "neither auto nor a number of tokens", "\"auto\"");
    expectError("devices.ranks=2", "2 is not available in this version; use 1", "1");
    expectError("devices.sequence_parallel=4", "not available", "1");
    expectError("evaluation.passkey_every_steps=10", "not available", "0");
    expectError("lora.dropout=0.1", "not available", "0");
    expectError("data.template=chatml", "not available", "\"auto\"");
}

TEST(Validate, RefusesToOffloadFromTheProcessor)
{
    RunConfig config = goodConfig();
    config.devices.kind = DeviceKind::Cpu;
    config.memory.offload = OffloadMode::On;
    const std::vector<ConfigIssue> issues = validate(config, nullptr);
    ASSERT_EQ(issues.size(), 1U);
    EXPECT_EQ(issues[0].field, "memory.offload");
    EXPECT_EQ(issues[0].suggestion, "\"auto\"");
}

TEST(Validate, AcceptsWhatIsThere)
{
    const ModelConfig model = model4k();
    for (const char* setting :
         {"schedule.epochs=1.5", "lora.b_learning_rate_ratio=16", "context.rope=yarn",
          "context.rope=llama3", "context.rope=ntk", "memory.recompute=full",
          "memory.recompute=none", "memory.recompute=qkv", "memory.tile=4096", "memory.offload=off",
          "memory.offload=on", "method=full", "attention.group=1000", "attention.kind=full",
          "attention.full_final_fraction=0.4", "lora.targets=[]"}) {
        RunConfig config = goodConfig();
        applySetting(config, setting);
        EXPECT_TRUE(validate(config, &model).empty())
            << setting << ": " << validate(config, &model).front().message;
    }
}

TEST(Validate, ChecksEveryRange)
{
    RunConfig config = goodConfig();
    config.lora.rank = 0;
    config.context.length = -5;
    config.optimizer.learningRate = std::numeric_limits<double>::quiet_NaN();
    config.attention.fullFinalFraction = 1.5;
    config.context.factor = 0.5;
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"lora.rank", "1"},
        {"context.length", "0"},
        {"optimizer.learning_rate", "0"},
        {"attention.full_final_fraction", "1"},
        {"context.factor", "1"}};
    for (const auto& [field, suggestion] : expected) {
        const std::optional<ConfigIssue> issue = issueAt(config, field);
        ASSERT_TRUE(issue) << field;
        EXPECT_EQ(issue->severity, Severity::Error) << field;
        EXPECT_EQ(issue->suggestion, suggestion) << field;
    }
}

TEST(Validate, ChecksGroups)
{
    expectError("attention.group=257", "group size 257 is odd", "256");
    expectIssue("attention.group=32768", Severity::Warning,
                "larger than the context of 16,384: plain heads see everything", "4096");
    expectIssue("attention.edge=circular", Severity::Warning, "cannot keep documents apart",
                "\"clipped\"");
}

TEST(Validate, CircularEdgeCannotKeepASlidingWindow)
{
    ModelConfig model = model4k();
    model.slidingWindow = 2048;
    RunConfig config = goodConfig(); // groups of 4,096
    config.attention.edge = GroupEdge::Circular;
    config.data.maskDocuments = false;
    const auto issue = issueAt(config, "attention.edge", &model);
    ASSERT_TRUE(issue);
    EXPECT_EQ(issue->severity, Severity::Error);
    EXPECT_EQ(issue->suggestion, "\"clipped\"");
    config.attention.group = 2048;
    EXPECT_FALSE(issueAt(config, "attention.edge", &model));
}

TEST(Validate, ChecksTargetsAgainstTheModelsFamily)
{
    const ModelConfig neox = neox4k();
    RunConfig config = goodConfig();
    const auto issue = issueAt(config, "lora.targets", &neox);
    ASSERT_TRUE(issue);
    EXPECT_EQ(issue->message, "\"q_proj\" is no projection of GPTNeoXForCausalLM; known: "
                              "query_key_value, dense, dense_h_to_4h, dense_4h_to_h");
    EXPECT_EQ(issue->suggestion, R"(["query_key_value", "dense"])");
    config.lora.targets = {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"};
    EXPECT_FALSE(issueAt(config, "lora.targets", &neox));
    EXPECT_FALSE(issueAt(config, "lora.targets", nullptr)) << "some model may have them";
    EXPECT_TRUE(issueAt(config, "lora.targets"));
}

TEST(Validate, ChecksTargets)
{
    expectError("lora.targets=[\"q_porj\"]", "did you mean q_proj?", "");
    expectError("lora.targets=[\"lm_head\"]", "known: q_proj, k_proj", "");
    expectError("lora.targets=[\"q_proj\", \"q_proj\"]", "stands twice", "");
    RunConfig config = goodConfig();
    config.lora = LoraConfig();
    config.lora.targets.clear();
    config.lora.trainEmbeddings = false;
    config.lora.trainNorms = false;
    ASSERT_TRUE(issueAt(config, "lora.targets"));
    EXPECT_NE(issueAt(config, "lora.targets")->message.find("nothing is trained"),
              std::string::npos);
    config.method = TrainingMethod::Full; // then LoRA's fields do not matter
    EXPECT_FALSE(issueAt(config, "lora.targets"));
}

TEST(Validate, ChecksTheWarmUp)
{
    RunConfig config = goodConfig();
    config.schedule.steps = 10;
    const std::optional<ConfigIssue> issue = issueAt(config, "schedule.warmup_steps");
    ASSERT_TRUE(issue);
    EXPECT_EQ(issue->severity, Severity::Warning);
    EXPECT_EQ(issue->suggestion, "1");
    config.schedule.epochs = 2; // then the number of steps is not known yet
    EXPECT_FALSE(issueAt(config, "schedule.warmup_steps"));
}

TEST(Validate, ChecksPrecisionAgainstTheDevice)
{
    RunConfig config = goodConfig();
    config.devices.kind = DeviceKind::Cuda;
    config.precision.compute = ComputePrecision::Fp64;
    ASSERT_TRUE(issueAt(config, "precision.compute"));
    config.devices.kind = DeviceKind::Cpu;
    EXPECT_FALSE(issueAt(config, "precision.compute"));
}

TEST(Validate, SaysWhatTheContextMeansForTheModel)
{
    expectError("context.length=1", "nothing to predict", "2");
    expectIssue("context.length=1024", Severity::Note, "shorter than the model's own context", "");
    expectIssue("context.rope=none", Severity::Warning, "never seen positions from 4,096 on",
                "\"linear\"");
    expectError("context.factor=2", "reaches 8,192 tokens from the model's own 4,096, not 16,384",
                "4");
}

TEST(Validate, SaysThatAFactorIsNotNeeded)
{
    RunConfig config = goodConfig();
    config.context.length = 4096;
    config.context.factor = 2;
    ASSERT_TRUE(issueAt(config, "context.factor"));
    EXPECT_EQ(issueAt(config, "context.factor")->severity, Severity::Note);
}

TEST(Validate, RefusesToMixKindsOfScaling)
{
    RunConfig config = goodConfig();
    config.context.length = 65536;
    const ModelConfig model = scaledModel(RopeKind::Llama3, 8, 8192);
    const std::vector<ConfigIssue> issues = validate(config, &model);
    ASSERT_EQ(issues.size(), 0U); // 8 x 8,192 tokens fit already
    config.context.length = 131072;
    const std::vector<ConfigIssue> longer = validate(config, &model);
    ASSERT_EQ(longer.size(), 1U);
    EXPECT_EQ(longer[0].field, "context.rope");
    EXPECT_EQ(longer[0].suggestion, "\"llama3\"");
    EXPECT_NE(longer[0].message.find("llama3 x 8 over 8,192"), std::string::npos);
    EXPECT_NE(longer[0].message.find("linear"), std::string::npos);
}

TEST(Validate, NeverThrowsOnNonsense)
{
    RunConfig config;
    config.context.length = std::numeric_limits<std::int64_t>::max();
    config.context.factor = std::numeric_limits<double>::infinity();
    config.attention.group = std::numeric_limits<std::int64_t>::min();
    config.attention.groupRatio = -1;
    config.batch.microBatch = 0;
    const ModelConfig empty;
    EXPECT_NO_THROW(validate(config, &empty));
    EXPECT_NO_THROW(validate(config, nullptr));
}

TEST(RequireValid, ThrowsTheFirstError)
{
    RunConfig config = goodConfig();
    config.attention.group = 257;
    EXPECT_EQ(test::messageOf<ConfigError>([&] { requireValid(config, nullptr); }),
              "attention.group: group size 257 is odd; half of it is the shift. Suggested: "
              "attention.group=256.");
    config.attention.group = 32768; // only a warning
    EXPECT_NO_THROW(requireValid(config, nullptr));
}

ContextConfig context(std::int64_t length, ContextRope rope,
                      std::optional<double> factor = std::nullopt)
{
    return {length, rope, factor};
}

TEST(ExtendedRope, FollowsTheLengthRoundedUp)
{
    const ModelConfig model = model4k();
    const auto factor = [&](std::int64_t length) {
        return extendedRope(model, context(length, ContextRope::Linear)).factor;
    };
    EXPECT_EQ(factor(8192), 2);
    EXPECT_EQ(factor(16384), 4);
    EXPECT_EQ(factor(32768), 8);
    EXPECT_EQ(factor(65536), 16);
    EXPECT_EQ(factor(100000), 25);
    EXPECT_EQ(factor(10000), 3); // not 2.44
    EXPECT_EQ(factor(4097), 2);
}

TEST(ExtendedRope, LeavesTheModelsOwnWhereRowsFit)
{
    const ModelConfig model = model4k();
    EXPECT_EQ(extendedRope(model, context(4096, ContextRope::Linear)), model.rope);
    EXPECT_EQ(extendedRope(model, context(100, ContextRope::Llama3)), model.rope);
    EXPECT_EQ(extendedRope(model, context(0, ContextRope::Yarn)), model.rope);
    EXPECT_EQ(extendedRope(model, context(100000, ContextRope::None)), model.rope);
}

TEST(ExtendedRope, MultipliesAnExistingFactorOfItsKind)
{
    // 3, then twice as long, is 6.
    const RopeScaling linear = extendedRope(scaledModel(RopeKind::Linear, 3, 0),
                                            context(2 * 3 * 4096, ContextRope::Linear));
    EXPECT_EQ(linear.factor, 6);

    ModelConfig llama31 = scaledModel(RopeKind::Llama3, 8, 8192);
    llama31.maxPositionEmbeddings = 131072;
    const RopeScaling llama3 = extendedRope(llama31, context(262144, ContextRope::Llama3));
    EXPECT_EQ(llama3.factor, 16);
    EXPECT_EQ(llama3.originalMaxPositionEmbeddings, 8192);

    const RopeScaling yarn =
        extendedRope(scaledModel(RopeKind::Yarn, 2, 4096), context(32768, ContextRope::Yarn));
    EXPECT_EQ(yarn.factor, 8);
    EXPECT_EQ(yarn.originalMaxPositionEmbeddings, 4096);
}

TEST(ExtendedRope, StartsFromTheModelsOwnContext)
{
    const RopeScaling llama3 = extendedRope(model4k(), context(16384, ContextRope::Llama3));
    EXPECT_EQ(llama3.kind, RopeKind::Llama3);
    EXPECT_EQ(llama3.factor, 4);
    EXPECT_EQ(llama3.originalMaxPositionEmbeddings, 4096);
    EXPECT_EQ(llama3.lowFrequencyFactor, 1);
    EXPECT_EQ(llama3.highFrequencyFactor, 4);
    const RopeScaling yarn = extendedRope(model4k(), context(16384, ContextRope::Yarn));
    EXPECT_EQ(yarn.kind, RopeKind::Yarn);
    EXPECT_EQ(yarn.originalMaxPositionEmbeddings, 4096);
}

TEST(ExtendedRope, KeepsTheBase)
{
    ModelConfig model = model4k();
    model.rope.theta = 500000;
    EXPECT_EQ(extendedRope(model, context(8192, ContextRope::Linear)).theta, 500000);
}

TEST(ExtendedRope, TakesTheFactorAskedFor)
{
    EXPECT_EQ(extendedRope(model4k(), context(10000, ContextRope::Linear, 2.5)).factor, 2.5);
    EXPECT_EQ(extendedRope(model4k(), context(100, ContextRope::Linear, 2)).factor, 2);
    EXPECT_THROW(extendedRope(model4k(), context(10241, ContextRope::Linear, 2.5)), ConfigError);
}

TEST(ExtendedRope, MultipliesTheFactorOfEveryKind)
{
    for (const auto& [kind, asked] : {std::pair(RopeKind::Linear, ContextRope::Linear),
                                      std::pair(RopeKind::Dynamic, ContextRope::Ntk),
                                      std::pair(RopeKind::Yarn, ContextRope::Yarn),
                                      std::pair(RopeKind::Llama3, ContextRope::Llama3)}) {
        // From 4,096 by 3, and what came of it by 2.
        const RopeScaling once = extendedRope(model4k(), context(12288, asked));
        EXPECT_EQ(once.kind, kind);
        EXPECT_EQ(once.factor, 3.0) << ropeKindName(kind);
        const std::int64_t original = kind == RopeKind::Linear ? 0 : 4096;
        EXPECT_EQ(once.originalMaxPositionEmbeddings, original) << ropeKindName(kind);
        ModelConfig extended = model4k();
        extended.rope = once;
        EXPECT_EQ(extended.contextLength(), 12288) << ropeKindName(kind);
        const RopeScaling twice = extendedRope(extended, context(24576, asked));
        EXPECT_EQ(twice.factor, 6.0) << ropeKindName(kind);
        EXPECT_EQ(twice.originalMaxPositionEmbeddings, original) << ropeKindName(kind);
        extended.rope = twice;
        EXPECT_EQ(extended.contextLength(), 24576) << ropeKindName(kind);
        EXPECT_EQ(twice, extendedRope(model4k(), context(24576, asked)))
            << "in two steps as in one: " << ropeKindName(kind);
    }
}

TEST(ExtendedRope, RefusesToMixKinds)
{
    const std::string message = test::messageOf<ConfigError>([] {
        extendedRope(scaledModel(RopeKind::Linear, 2, 0), context(65536, ContextRope::Llama3));
    });
    EXPECT_NE(message.find("linear x 2"), std::string::npos) << message;
    EXPECT_NE(message.find("llama3"), std::string::npos) << message;
    const std::string dynamic = test::messageOf<ConfigError>([] {
        extendedRope(scaledModel(RopeKind::Dynamic, 2, 4096), context(65536, ContextRope::Linear));
    });
    EXPECT_NE(dynamic.find("Use ntk or none."), std::string::npos) << dynamic;
    EXPECT_THROW(
        extendedRope(scaledModel(RopeKind::Llama3, 2, 4096), context(65536, ContextRope::Ntk)),
        ConfigError);
}

TEST(RowLength, IsTheModelsOwnUnlessGiven)
{
    RunConfig config;
    EXPECT_EQ(rowLength(scaledModel(RopeKind::Linear, 2, 0), config), 8192);
    config.context.length = 100;
    EXPECT_EQ(rowLength(model4k(), config), 100);
}

TEST(GroupSize, FollowsTheRatioAndIsEven)
{
    AttentionConfig attention;
    EXPECT_EQ(groupSize(attention, 8192), 2048);
    EXPECT_EQ(groupSize(attention, 1001), 250);
    EXPECT_EQ(groupSize(attention, 3), 2);
    attention.groupRatio = 1;
    EXPECT_EQ(groupSize(attention, 8192), 8192);
    attention.group = 100;
    EXPECT_EQ(groupSize(attention, 8192), 100);
    attention.group = 0; // half-typed
    EXPECT_EQ(groupSize(attention, 8192), 1);
}

} // namespace
} // namespace longlora
