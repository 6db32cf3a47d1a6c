// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/model/forward.h"
#include "core/spec/base/error.h"
#include "tests/engine/checkpoint_folders.h"
#include "tests/engine/safetensors_text.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <set>

namespace longlora {
namespace {

namespace fs = std::filesystem;
using test::copyGolden;
using test::golden;
using test::holds;
using test::messageOf;
using test::TemporaryFolder;

constexpr const char* kEmbedding = "model.embed_tokens.weight";
const std::string kPrefix = "base_model.model.";

nlohmann::json jsonOf(const fs::path& file)
{
    return nlohmann::json::parse(test::readBytes(file));
}

/// An adapter folder whose tensors and settings can be changed before it is read.
class EditedAdapter {
public:
    explicit EditedAdapter(const std::string& name = "adapters/gqa-plain")
        : m_config(jsonOf(golden(name + "/adapter_config.json")))
    {
        const auto file = SafetensorsFile::open(golden(name + "/adapter_model.safetensors"));
        for (const auto& [key, entry] : file.entries()) {
            m_tensors[key] = file.tensor(key).clone();
        }
    }
    nlohmann::json& config() { return m_config; }
    test::NamedTensors& tensors() { return m_tensors; }
    void rename(const std::string& from, const std::string& to)
    {
        m_tensors[to] = m_tensors.at(from);
        m_tensors.erase(from);
    }
    Adapter read() const
    {
        const TemporaryFolder folder;
        test::writeBytes(folder.path() / "adapter_config.json", m_config.dump());
        writeSafetensors(folder.path() / "adapter_model.safetensors", m_tensors);
        return readAdapter(folder.path());
    }
    std::string refusal() const
    {
        return messageOf<FormatError>([&] { read(); });
    }

private:
    nlohmann::json m_config;
    test::NamedTensors m_tensors;
};

class GoldenAdapter : public testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(GoldenAdapter, GivesTheLogitsOfPeft)
{
    const auto& [base, name] = GetParam();
    const auto expected = SafetensorsFile::open(golden("adapters/" + name + "/logits.safetensors"));
    const at::Tensor ids = expected.tensor("ids").unsqueeze(0);
    DecoderModel model = test::goldenModel(base);
    const at::Tensor before = forwardLogits(model, ids, {}).squeeze(0);
    EXPECT_LT(test::logitError(before, expected.tensor("logits_base")), 1e-4);

    const Adapter adapter = readAdapter(golden("adapters/" + name));
    EXPECT_EQ(adapter.baseModel, base);
    EXPECT_FALSE(adapter.origin.has_value());
    attachAdapter(model, adapter, baseFingerprint(golden("models/" + base)));
    const at::Tensor after = forwardLogits(model, ids, {}).squeeze(0);
    EXPECT_LT(test::logitError(after, expected.tensor("logits_adapter")), 1e-4);
    EXPECT_GT(test::logitError(before, expected.tensor("logits_adapter")), 1e-2);
}

INSTANTIATE_TEST_SUITE_P(
    Peft, GoldenAdapter,
    testing::Values(std::pair("llama-gqa-llama3", "gqa-plain"), std::pair("llama-yarn", "patterns"),
                    std::pair("mistral-gqa", "lora-only"), std::pair("qwen2", "tied-base"),
                    std::pair("qwen3", "qwen3-norms"), std::pair("gpt-neox", "neox"),
                    std::pair("llama-mha", "longlora-bin")),
    [](const auto& item) {
        std::string name = item.param.second;
        std::replace(name.begin(), name.end(), '-', '_');
        return name;
    });

TEST(AdapterIn, PatternsAndRsLoraGiveEachModuleItsScale)
{
    const Adapter adapter = readAdapter(golden("adapters/patterns"));
    const auto scale = [&](const char* module) { return adapter.pairs.at(module).scale; };
    EXPECT_DOUBLE_EQ(scale("model.layers.0.self_attn.q_proj"), 9.0 / std::sqrt(6.0));
    EXPECT_DOUBLE_EQ(scale("model.layers.1.self_attn.q_proj"), 9.0 / std::sqrt(3.0));
    EXPECT_DOUBLE_EQ(scale("model.layers.1.self_attn.o_proj"), 4.0 / std::sqrt(6.0));
    EXPECT_EQ(adapter.pairs.at("model.layers.1.self_attn.q_proj").a.size(0), 3);
}

TEST(AdapterIn, PatternIsARegularExpressionOfTheNamesEnd)
{
    EditedAdapter adapter;
    adapter.config()["alpha_pattern"] = {{"layers\\.[01]\\..*\\.(q|k)_proj", 8},
                                         {"self_attn.q_proj", 4},
                                         {"proj", 99}}; // no part of a name ends in it alone
    const auto pairs = adapter.read().pairs;
    EXPECT_DOUBLE_EQ(pairs.at("model.layers.0.self_attn.q_proj").scale, 1.0);
    EXPECT_DOUBLE_EQ(pairs.at("model.layers.1.self_attn.k_proj").scale, 1.0);
    EXPECT_DOUBLE_EQ(pairs.at("model.layers.2.self_attn.q_proj").scale, 0.5);
    EXPECT_DOUBLE_EQ(pairs.at("model.layers.0.self_attn.v_proj").scale, 2.0);
}

TEST(AdapterIn, HopelessPatternsAreRefused)
{
    for (const std::string pattern : {"(", "[a-", "(((\\w|[.])+)+)+[0-9]"}) {
        EditedAdapter adapter;
        adapter.config()["rank_pattern"] = {{pattern, 8}};
        EXPECT_TRUE(holds(adapter.refusal(), "pattern")) << pattern;
    }
}

TEST(AdapterIn, LegacySpellingsMeanTheSame)
{
    EditedAdapter adapter;
    const std::string q = kPrefix + "model.layers.0.self_attn.q_proj";
    adapter.rename(q + ".lora_A.weight", q + ".lora_A.default.weight");
    adapter.rename(q + ".lora_B.weight", q + ".lora_B.my_adapter.weight");
    adapter.rename(kPrefix + kEmbedding,
                   kPrefix + "model.embed_tokens.modules_to_save.default.weight");
    adapter.rename(kPrefix + "model.norm.weight", kPrefix + "model.norm.modules_to_save.weight");
    adapter.tensors()[kPrefix + "model.norm.original_module.weight"] = at::zeros({64});
    const Adapter legacy = adapter.read();
    const Adapter plain = readAdapter(golden("adapters/gqa-plain"));
    ASSERT_EQ(legacy.pairs.size(), plain.pairs.size());
    ASSERT_EQ(legacy.replaced.size(), plain.replaced.size());
    for (const auto& [module, pair] : plain.pairs) {
        EXPECT_TRUE(at::equal(legacy.pairs.at(module).a, pair.a)) << module;
        EXPECT_TRUE(at::equal(legacy.pairs.at(module).b, pair.b)) << module;
    }
    for (const auto& [weight, tensor] : plain.replaced) {
        EXPECT_TRUE(at::equal(legacy.replaced.at(weight), tensor)) << weight;
    }
}

TEST(AdapterIn, TheHeadOfNeoxMayBeCalledAsTransformers5CallsIt)
{
    EditedAdapter adapter("adapters/neox");
    const at::Tensor head = at::full({320, 64}, 0.5);
    adapter.config()["modules_to_save"].push_back("lm_head");
    adapter.tensors()[kPrefix + "lm_head.weight"] = head;
    DecoderModel model = test::goldenModel("gpt-neox");
    attachAdapter(model, adapter.read());
    EXPECT_TRUE(at::equal(model.lmHead, head));
    adapter.tensors()[kPrefix + "embed_out.weight"] = head;
    EXPECT_THROW(attachAdapter(model, adapter.read()), DataError) << "two heads";
}

TEST(AdapterIn, OtherMathematicsIsRefusedByName)
{
    const nlohmann::json variants = {
        {"use_dora", true},
        {"lora_bias", true},
        {"fan_in_fan_out", true},
        {"alora_invocation_tokens", {1, 2}},
        {"use_qalora", true},
        {"use_bdlora", true},
        {"kasa_config", {{"x", 1}}},
        {"velora_config", {{"x", 1}}},
        {"eva_config", {{"rho", 2.0}}},
        {"corda_config", {{"x", 1}}},
        {"loftq_config", {{"loftq_bits", 4}}},
        {"layer_replication", {{0, 2}}},
        {"target_parameters", {"w"}},
        {"trainable_token_indices", {5, 5}},
        {"arrow_config", {{"x", 1}}},
        {"lora_ga_config", {{"x", 1}}},
        {"monteclora_config", {{"x", 1}}},
        {"megatron_config", {{"x", 1}}},
        {"bias", "lora_only"},
        {"init_lora_weights", "pissa"},
        {"init_lora_weights_2", nullptr},
        {"peft_type", "LOHA"},
    };
    for (const auto& [key, value] : variants.items()) {
        EditedAdapter adapter;
        adapter.config()[key] = value;
        const std::string message = adapter.refusal();
        if (value.is_null()) {
            EXPECT_EQ(message, "") << "unknown keys are passed over";
        } else {
            EXPECT_TRUE(holds(message, "key " + key)) << key << ": " << message;
        }
    }
    for (const std::string start : {"olora", "pissa_niter_4", "corda", "loftq", "lora_ga"}) {
        EditedAdapter adapter;
        adapter.config()["init_lora_weights"] = start;
        EXPECT_TRUE(holds(adapter.refusal(), start)) << start;
    }
    for (const std::string bias : {"all", "lora_only"}) {
        EditedAdapter adapter;
        adapter.config()["bias"] = bias;
        EXPECT_TRUE(holds(adapter.refusal(), "key bias: \"" + bias)) << adapter.refusal();
    }
}

TEST(AdapterIn, TensorsOfOtherMathematicsAreRefusedByName)
{
    for (const std::string key :
         {"model.layers.0.self_attn.q_proj.lora_magnitude_vector.weight",
          "model.layers.0.self_attn.q_proj.lora_magnitude_vector",
          "model.layers.0.self_attn.q_proj.lora_B.bias", "model.embed_tokens.lora_embedding_C",
          "model.embed_tokens.lora_embedding_A.weight", "model.embed_tokens.base_layer.bias",
          "model.embed_tokens.token_adapter.other", "model.layers.0.self_attn.q_proj.base_layer",
          "model.layers.0.self_attn.q_proj.bias", "model.layers.0.a.lora_A.b.c.weight",
          "model.layers.0.self_attn.q_proj.modules_to_save.bias",
          "model.layers.0.input_layernorm.lora_A.bias"}) {
        EditedAdapter adapter;
        adapter.tensors()[kPrefix + key] = at::zeros({2, 2});
        EXPECT_TRUE(holds(adapter.refusal(), "tensor " + kPrefix + key)) << key;
    }
    EditedAdapter foreign;
    foreign.tensors()["transformer.h.0.weight"] = at::zeros({2});
    EXPECT_TRUE(holds(foreign.refusal(), "tensor transformer.h.0.weight"));
}

TEST(AdapterIn, IncompleteAdaptersAreRefused)
{
    const std::string q = kPrefix + "model.layers.0.self_attn.q_proj";
    {
        EditedAdapter adapter;
        adapter.tensors().erase(q + ".lora_B.weight");
        EXPECT_TRUE(holds(adapter.refusal(), "lora_B is missing"));
    }
    {
        EditedAdapter adapter;
        adapter.tensors()[q + ".lora_B.weight"] = at::zeros({64, 4});
        EXPECT_TRUE(holds(adapter.refusal(), "do not fit each other"));
    }
    {
        EditedAdapter adapter;
        adapter.config()["r"] = 16;
        EXPECT_TRUE(holds(adapter.refusal(), "rank 8 contradicts 16"));
    }
    {
        EditedAdapter adapter;
        adapter.tensors().erase(kPrefix + kEmbedding);
        EXPECT_TRUE(holds(adapter.refusal(), "no tensor of embed_tokens"));
    }
    {
        EditedAdapter adapter;
        adapter.tensors().clear();
        EXPECT_TRUE(holds(adapter.refusal(), "holds no tensors"));
    }
    {
        EditedAdapter adapter;
        adapter.config().erase("r");
        EXPECT_TRUE(holds(adapter.refusal(), "key r"));
    }
}

TEST(AdapterIn, NanIsDataErrorNamingTheTensor)
{
    EditedAdapter adapter;
    const std::string key = kPrefix + "model.layers.2.self_attn.v_proj.lora_A.weight";
    adapter.tensors().at(key)[1][2] = std::numeric_limits<float>::quiet_NaN();
    const std::string message = messageOf<DataError>([&] { adapter.read(); });
    EXPECT_TRUE(holds(message, key)) << message;
}

TEST(AdapterIn, FolderWithoutAdapterSaysWhatToDo)
{
    const TemporaryFolder folder;
    EXPECT_THROW(readAdapter(folder.path()), DataError);
    copyGolden("adapters/gqa-plain", folder.path());
    fs::rename(folder.path() / "adapter_model.safetensors", folder.path() / "adapter_model.bin");
    EXPECT_TRUE(holds(messageOf<FormatError>([&] { readAdapter(folder.path()); }),
                      "adapter_model.bin, offset 0: is no archive of PyTorch"));
    fs::remove(folder.path() / "adapter_model.bin");
    EXPECT_TRUE(holds(messageOf<DataError>([&] { readAdapter(folder.path()); }),
                      "neither adapter_model.safetensors nor adapter_model.bin"));
}

TEST(AdapterIn, AdaptersInSubFoldersAreNamed)
{
    const TemporaryFolder folder;
    copyGolden("adapters/lora-only", folder.path() / "style");
    copyGolden("adapters/lora-only", folder.path() / "long");
    fs::create_directory(folder.path() / "other");
    const std::string message = messageOf<DataError>([&] { readAdapter(folder.path()); });
    EXPECT_TRUE(holds(message, "holds adapters: long, style")) << message;
    EXPECT_EQ(readAdapter(folder.path() / "style").pairs.size(),
              readAdapter(golden("adapters/lora-only")).pairs.size());
}

TEST(AdapterIn, KeysThatPeftDoesNotKnowEitherAreNoted)
{
    EditedAdapter adapter;
    EXPECT_TRUE(adapter.read().unknownKeys.empty()) << "all of PEFT 0.21 are known";
    adapter.config()["colour"] = "blue";
    EXPECT_EQ(adapter.read().unknownKeys, std::vector<std::string>{"colour"});
}

/// gqa-plain as our own trainer would describe it.
AdapterDescription plainDescription()
{
    AdapterDescription description;
    description.baseModel = "llama-gqa-llama3";
    return description;
}

TEST(AdapterOut, IsWhatPeftWrites)
{
    const TemporaryFolder folder;
    const Adapter adapter = readAdapter(golden("adapters/gqa-plain"));
    writeAdapter(folder.path(), plainDescription(), adapter.pairs, adapter.replaced);
    EXPECT_TRUE(test::readBytes(folder.path() / "adapter_model.safetensors") ==
                test::readBytes(golden("adapters/gqa-plain/adapter_model.safetensors")));
    EXPECT_EQ(test::readBytes(folder.path() / "adapter_config.json"),
              test::readBytes(golden("adapters/gqa-plain/adapter_config.json")));
}

/// Lists of names have no order.
nlohmann::json withSortedTargets(nlohmann::json config)
{
    auto& targets = config.at("target_modules");
    std::sort(targets.begin(), targets.end());
    return config;
}

class AdapterOutOf : public testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(AdapterOutOf, IsWhatPeftWritesInOtherFamilies)
{
    const auto& [base, name] = GetParam();
    const TemporaryFolder folder;
    const Adapter adapter = readAdapter(golden("adapters/" + name));
    AdapterDescription description;
    description.baseModel = base;
    description.lora.rank = 4;
    description.lora.alpha = 8.0;
    writeAdapter(folder.path(), description, adapter.pairs, adapter.replaced);
    const auto theirs =
        SafetensorsFile::open(golden("adapters/" + name) / "adapter_model.safetensors");
    const auto ours = SafetensorsFile::open(folder.path() / "adapter_model.safetensors");
    ASSERT_EQ(ours.entries().size(), theirs.entries().size());
    for (const auto& [key, entry] : theirs.entries()) {
        ASSERT_TRUE(ours.entries().contains(key)) << key;
        EXPECT_TRUE(at::equal(ours.tensor(key), theirs.tensor(key))) << key;
    }
    EXPECT_EQ(withSortedTargets(jsonOf(folder.path() / "adapter_config.json")),
              withSortedTargets(jsonOf(golden("adapters/" + name) / "adapter_config.json")));
}

INSTANTIATE_TEST_SUITE_P(Peft, AdapterOutOf,
                         testing::Values(std::pair("qwen3", "qwen3-norms"),
                                         std::pair("gpt-neox", "neox")),
                         [](const auto& item) { return item.index == 0 ? "Qwen3" : "GptNeox"; });

TEST(AdapterIn, NormsOfEveryKindAreThere)
{
    // Two layers: 4L+2 embeddings and norms with q and k norms, 4L+3 where norms have biases.
    EXPECT_EQ(readAdapter(golden("adapters/qwen3-norms")).replaced.size(), 10U);
    const Adapter neox = readAdapter(golden("adapters/neox"));
    EXPECT_EQ(neox.replaced.size(), 11U);
    EXPECT_TRUE(neox.replaced.contains("gpt_neox.final_layer_norm.bias"));
    EXPECT_EQ(neox.pairs.size(), 8U);
    EXPECT_EQ(neox.pairs.at("gpt_neox.layers.1.attention.query_key_value").b.size(0), 192);
    EXPECT_EQ(neox.savedModules, (std::vector<std::string>{"embed_in", "norm"}));
}

TEST(AdapterOut, HoldsEmbeddingAndAllNormsUnderPlainNames)
{
    const TemporaryFolder folder;
    const Adapter adapter = readAdapter(golden("adapters/gqa-plain"));
    writeAdapter(folder.path(), plainDescription(), adapter.pairs, adapter.replaced);
    const auto file = SafetensorsFile::open(folder.path() / "adapter_model.safetensors");
    std::set<std::string> saved;
    for (const auto& [key, entry] : file.entries()) {
        EXPECT_EQ(entry.dtype, at::kFloat) << key;
        if (!holds(key, ".lora_")) {
            saved.insert(key);
        }
    }
    const std::int64_t layers = readModelConfig(golden("models/llama-gqa-llama3")).layerCount;
    EXPECT_EQ(std::ssize(saved), 2 * layers + 2);
    EXPECT_TRUE(saved.contains("base_model.model.model.embed_tokens.weight"));
    EXPECT_TRUE(saved.contains("base_model.model.model.norm.weight"));
    EXPECT_TRUE(saved.contains("base_model.model.model.layers.2.post_attention_layernorm.weight"));
    const auto config = jsonOf(folder.path() / "adapter_config.json");
    EXPECT_EQ(config.at("modules_to_save"), (nlohmann::json{"embed_tokens", "norm"}));
}

TEST(AdapterOut, ReadsBackEqualWithPatternsNarrowDtypesAndOrigin)
{
    const TemporaryFolder folder;
    Adapter adapter = readAdapter(golden("adapters/patterns"));
    for (auto& [module, pair] : adapter.pairs) {
        pair.a = pair.a.to(at::kBFloat16).requires_grad_(true);
    }
    AdapterDescription description;
    description.baseModel = "llama-yarn";
    description.lora.rank = 6;
    description.lora.alpha = 9.0 * std::sqrt(6.0);
    description.lora.dropout = 0.05;
    AdapterOrigin origin;
    origin.baseRope.theta = 500000.25;
    origin.rope = {RopeKind::Yarn, 10000.0, 4.0, 64};
    origin.rope.betaFast = 31.5;
    origin.fingerprint = std::string(64, 'a');
    origin.contextLength = 256;
    description.origin = origin;
    writeAdapter(folder.path() / "new" / "folder", description, adapter.pairs, adapter.replaced);

    const Adapter back = readAdapter(folder.path() / "new" / "folder");
    EXPECT_EQ(back.baseModel, "llama-yarn");
    ASSERT_EQ(back.pairs.size(), adapter.pairs.size());
    for (const auto& [module, pair] : adapter.pairs) {
        EXPECT_TRUE(at::equal(back.pairs.at(module).a, pair.a.to(at::kFloat))) << module;
        EXPECT_TRUE(at::equal(back.pairs.at(module).b, pair.b)) << module;
        EXPECT_NEAR(back.pairs.at(module).scale, pair.scale, 1e-12) << module;
    }
    ASSERT_EQ(back.replaced.size(), adapter.replaced.size());
    for (const auto& [weight, tensor] : adapter.replaced) {
        EXPECT_TRUE(at::equal(back.replaced.at(weight), tensor)) << weight;
    }
    ASSERT_TRUE(back.origin.has_value());
    EXPECT_EQ(back.origin->rope, origin.rope);
    EXPECT_EQ(back.origin->baseRope, origin.baseRope);
    EXPECT_EQ(back.origin->fingerprint, origin.fingerprint);
    EXPECT_EQ(back.origin->contextLength, 256);
}

TEST(AdapterOut, LoraAloneSavesNoModules)
{
    const TemporaryFolder folder;
    const Adapter adapter = readAdapter(golden("adapters/gqa-plain"));
    writeAdapter(folder.path(), plainDescription(), adapter.pairs, {});
    EXPECT_TRUE(jsonOf(folder.path() / "adapter_config.json").at("modules_to_save").is_null());
    EXPECT_TRUE(readAdapter(folder.path()).replaced.empty());
}

TEST(AdapterOut, DamagedOriginIsRefused)
{
    const TemporaryFolder folder;
    copyGolden("adapters/gqa-plain", folder.path());
    for (const std::string text :
         {"{}", "{\"format_version\": 2}", "[",
          R"({"format_version":1,"rope":{"rope_type":"linear","factor":-1},"base_rope":{},)"
          R"("base_fingerprint":"","context_length":1})"}) {
        test::writeBytes(folder.path() / "longlora_adapter.json", text);
        EXPECT_TRUE(holds(messageOf<FormatError>([&] { readAdapter(folder.path()); }),
                          "longlora_adapter.json"))
            << text;
    }
}

} // namespace
} // namespace longlora
