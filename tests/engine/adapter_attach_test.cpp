// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/base_model.h"
#include "core/spec/base/error.h"
#include "tests/engine/checkpoint_folders.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <gtest/gtest.h>

namespace longlora {
namespace {

using test::golden;
using test::holds;
using test::messageOf;
using test::TemporaryFolder;

constexpr const char* kEmbedding = "model.embed_tokens.weight";

class Attaching : public testing::Test {
protected:
    std::string refusal(const std::string& fingerprint = {})
    {
        return messageOf<DataError>([&] { attachAdapter(m_model, m_adapter, fingerprint); });
    }

    DecoderModel m_model = test::goldenModel("llama-gqa-llama3");
    Adapter m_adapter = readAdapter(golden("adapters/gqa-plain"));
};

TEST_F(Attaching, CastsToTheModelsDtype)
{
    DecoderModel model = test::goldenModel("llama-gqa-llama3", at::kBFloat16);
    attachAdapter(model, m_adapter);
    EXPECT_EQ(model.layers[0].q.lora->a.scalar_type(), at::kBFloat16);
    EXPECT_EQ(model.embedTokens.scalar_type(), at::kBFloat16);
    EXPECT_DOUBLE_EQ(model.layers[0].q.lora->scale, 2.0);
    EXPECT_FALSE(model.layers[0].up.lora.has_value());
}

TEST_F(Attaching, OtherShapesAreRefusedByName)
{
    m_model = test::goldenModel("llama-mha");
    const std::string message = refusal();
    EXPECT_TRUE(holds(message, "another base model")) << message;
    EXPECT_TRUE(holds(message, "self_attn.k_proj is [64, 64], the adapter's update [16, 64]"))
        << message;
    EXPECT_TRUE(holds(message, "trained on llama-gqa-llama3")) << message;
    EXPECT_FALSE(m_model.layers[0].q.lora.has_value()) << "nothing was changed";
}

TEST_F(Attaching, MissingModulesAndWeightsAreRefused)
{
    m_adapter.pairs["model.layers.7.self_attn.q_proj"] =
        m_adapter.pairs.at("model.layers.0.self_attn.q_proj");
    EXPECT_TRUE(holds(refusal(), "it has no module model.layers.7.self_attn.q_proj"));
    m_adapter.pairs.erase("model.layers.7.self_attn.q_proj");
    m_adapter.replaced["model.layers.0.self_attn.q_norm.weight"] = at::ones({8});
    EXPECT_TRUE(holds(refusal(), "it has no weight model.layers.0.self_attn.q_norm.weight"));
    m_adapter.replaced.erase("model.layers.0.self_attn.q_norm.weight");
    m_adapter.replaced.at(kEmbedding) = at::ones({321, 64});
    EXPECT_TRUE(holds(refusal(), "embed_tokens.weight is [320, 64], the adapter's [321, 64]"));
}

TEST_F(Attaching, EveryModuleThatIsSaidToBeTrainedMustBeThere)
{
    m_adapter.replaced.erase("model.layers.1.input_layernorm.weight");
    EXPECT_TRUE(holds(refusal(), "lacks model.layers.1.input_layernorm.weight, though its "
                                 "modules_to_save lists norm"))
        << refusal();
    m_model = test::goldenModel("qwen3");
    m_adapter = readAdapter(golden("adapters/qwen3-norms"));
    m_adapter.replaced.erase("model.layers.1.self_attn.k_norm.weight");
    EXPECT_TRUE(holds(refusal(), "lacks model.layers.1.self_attn.k_norm.weight")) << refusal();
    m_model = test::goldenModel("gpt-neox");
    m_adapter = readAdapter(golden("adapters/neox"));
    m_adapter.replaced.erase("gpt_neox.layers.0.post_attention_layernorm.bias");
    EXPECT_TRUE(holds(refusal(), "lacks gpt_neox.layers.0.post_attention_layernorm.bias"));
    EXPECT_FALSE(m_model.layers[0].qkv.lora.has_value()) << "nothing was changed";
}

TEST_F(Attaching, AdaptersOfAnotherFamilyAreRefusedByName)
{
    m_model = test::goldenModel("gpt-neox");
    EXPECT_TRUE(holds(refusal(), "it has no module model.layers.0.self_attn.k_proj")) << refusal();
    m_model = test::goldenModel("llama-gqa-llama3");
    m_adapter = readAdapter(golden("adapters/neox"));
    EXPECT_TRUE(holds(refusal(), "it has no module gpt_neox.layers.0.attention.dense"));
}

TEST_F(Attaching, UpdateOfTheHeadIsRefused)
{
    m_adapter.pairs["lm_head"] = {at::zeros({8, 64}), at::zeros({320, 8}), 1.0};
    EXPECT_TRUE(holds(refusal(), "low-rank update of lm_head"));
}

TEST_F(Attaching, OtherFingerprintIsRefusedWhereBothAreKnown)
{
    AdapterOrigin origin;
    origin.rope = origin.baseRope = m_model.config.rope;
    origin.fingerprint = std::string(64, 'a');
    m_adapter.origin = origin;
    EXPECT_TRUE(holds(refusal(std::string(64, 'b')), "fingerprint bbbbbbbbbbbb"));
    EXPECT_EQ(refusal(std::string(64, 'a')), "");
    EXPECT_EQ(refusal(), "");
}

TEST_F(Attaching, RopeIsTakenFromTheAdapterAndMismatchNamed)
{
    AdapterOrigin origin;
    origin.baseRope = m_model.config.rope;
    origin.rope = m_model.config.rope;
    origin.rope.factor = 16.0;
    origin.contextLength = 1024;
    m_adapter.origin = origin;
    EXPECT_EQ(m_model.config.contextLength(), 512);
    EXPECT_EQ(refusal(), "");
    EXPECT_EQ(m_model.config.rope, origin.rope);
    EXPECT_EQ(m_model.config.contextLength(), 1024);
    EXPECT_EQ(refusal(), "") << "a model that has the adapter's rope already is right too";

    m_model.config.rope.kind = RopeKind::Linear;
    m_model.config.rope.factor = 3.0;
    const std::string message = refusal();
    EXPECT_TRUE(holds(message, describeRope(origin.rope))) << message;
    EXPECT_TRUE(holds(message, describeRope(origin.baseRope))) << message;
    EXPECT_TRUE(holds(message, "this model has linear x 3")) << message;
}

class AttachingToTied : public testing::Test {
protected:
    void SetUp() override
    {
        test::writeTiedModel(m_folder.path());
        m_model = loadBaseModel(m_folder.path(), {at::kCPU, at::kFloat});
        m_old = m_model.embedTokens.clone();
        m_adapter.replaced[kEmbedding] = at::full({512, 64}, 0.25);
    }
    TemporaryFolder m_folder;
    DecoderModel m_model;
    Adapter m_adapter;
    at::Tensor m_old;
};

TEST_F(AttachingToTied, TrainedEmbeddingLeavesTheOldHead)
{
    attachAdapter(m_model, m_adapter);
    EXPECT_FALSE(m_model.headIsTied());
    EXPECT_FALSE(m_model.config.tiedEmbeddings);
    EXPECT_TRUE(at::equal(m_model.lmHead, m_old));
    EXPECT_TRUE(at::equal(m_model.embedTokens, m_adapter.replaced.at(kEmbedding)));
}

TEST_F(AttachingToTied, KeptTyingMovesBoth)
{
    m_adapter.keepsTying = true;
    attachAdapter(m_model, m_adapter);
    EXPECT_TRUE(m_model.headIsTied());
    EXPECT_TRUE(m_model.config.tiedEmbeddings);
    EXPECT_TRUE(at::equal(m_model.lmHead, m_adapter.replaced.at(kEmbedding)));
    m_adapter.replaced["lm_head.weight"] = m_old;
    EXPECT_THROW(attachAdapter(m_model, m_adapter), DataError);
}

/// PEFT writes both of a pair that it kept tied.
TEST_F(AttachingToTied, KeptTyingTakesAHeadEqualToTheEmbedding)
{
    m_adapter.keepsTying = true;
    m_adapter.replaced["lm_head.weight"] = m_adapter.replaced.at(kEmbedding).clone();
    attachAdapter(m_model, m_adapter);
    EXPECT_TRUE(m_model.headIsTied());
    EXPECT_TRUE(m_model.config.tiedEmbeddings);
    EXPECT_TRUE(at::equal(m_model.lmHead, m_adapter.replaced.at(kEmbedding)));
}

TEST_F(AttachingToTied, TrainedHeadLeavesTheOldEmbedding)
{
    m_adapter.replaced["lm_head.weight"] = m_adapter.replaced.extract(kEmbedding).mapped();
    attachAdapter(m_model, m_adapter);
    EXPECT_FALSE(m_model.headIsTied());
    EXPECT_TRUE(at::equal(m_model.embedTokens, m_old));
    EXPECT_TRUE(at::equal(m_model.lmHead, at::full({512, 64}, 0.25)));
}

TEST_F(AttachingToTied, LoraAloneKeepsTheTying)
{
    m_adapter.replaced.clear();
    m_adapter.pairs["model.layers.0.mlp.up_proj"] = {at::ones({2, 64}), at::ones({144, 2}), 0.5};
    attachAdapter(m_model, m_adapter);
    EXPECT_TRUE(m_model.headIsTied());
    EXPECT_TRUE(m_model.config.tiedEmbeddings);
    EXPECT_TRUE(m_model.layers[0].up.lora.has_value());
}

} // namespace
} // namespace longlora
