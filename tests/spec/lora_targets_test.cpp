// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/lora_targets.h"
#include "core/spec/config/model_config.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

using Names = std::vector<std::string>;

const Names kLlamaAttention = {"q_proj", "k_proj", "v_proj", "o_proj"};
const Names kLlamaLinear = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                            "gate_proj", "up_proj", "down_proj"};
const Names kNeoxAttention = {"query_key_value", "dense"};
const Names kNeoxLinear = {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"};

ModelConfig llama()
{
    ModelConfig model;
    model.architecture = "LlamaForCausalLM";
    return model;
}

ModelConfig neox()
{
    ModelConfig model;
    model.architecture = "GPTNeoXForCausalLM";
    model.fusedQueryKeyValue = true;
    model.gatedMlp = false;
    return model;
}

TEST(CarryTargets, KeepsWhatTheModelHas)
{
    const CarriedTargets same = carryTargets({"v_proj", "q_proj"}, llama());
    EXPECT_EQ(same, (CarriedTargets{{"v_proj", "q_proj"}, {}}));
    EXPECT_EQ(carryTargets({}, neox()), CarriedTargets());
}

TEST(CarryTargets, AWholeChoiceBecomesTheFamilysEquivalent)
{
    EXPECT_EQ(carryTargets(kLlamaAttention, neox()),
              (CarriedTargets{kNeoxAttention, kLlamaAttention}));
    EXPECT_EQ(carryTargets(kLlamaLinear, neox()), (CarriedTargets{kNeoxLinear, kLlamaLinear}));
    EXPECT_EQ(carryTargets({"dense", "query_key_value"}, llama()).targets, kLlamaAttention);
    EXPECT_EQ(carryTargets(kNeoxLinear, llama()).targets, kLlamaLinear);
}

TEST(CarryTargets, APartialChoiceKeepsWhatIsLeftOrTakesAttention)
{
    EXPECT_EQ(carryTargets({"q_proj", "dense"}, neox()), (CarriedTargets{{"dense"}, {"q_proj"}}));
    EXPECT_EQ(carryTargets({"q_proj", "v_proj"}, neox()),
              (CarriedTargets{kNeoxAttention, {"q_proj", "v_proj"}}));
}

TEST(CarryTargets, LeavesNamesOfNoFamilyToTheCheck)
{
    EXPECT_EQ(carryTargets({"q_porj"}, neox()), (CarriedTargets{{"q_porj"}, {}}));
}

} // namespace
} // namespace longlora
