// SPDX-License-Identifier: GPL-3.0-or-later
// The layer driver against one autograd graph over the whole model, in fp64.
#include "core/engine/attention/segmented_attention.h"
#include "core/engine/model/quantized_linears.h"
#include "core/engine/model/random_model.h"
#include "core/engine/tensor/nf4_matrix.h"
#include "core/engine/train/layer_driver.h"
#include "core/spec/data/dataset.h"
#include "core/spec/plan/plan_quantities.h"
#include "tests/support/golden_model.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

namespace longlora {
namespace {

struct Case {
    std::string model;
    TrainingMethod method;
    AttentionSpec attention;
    DocumentStarts documents;
    LayerMemory memory;
};

/// All linear maps but the MLP's first.
RunConfig configFor(const Case& c, const DecoderModel& model)
{
    RunConfig config;
    config.method = c.method;
    config.lora.rank = 3;
    config.lora.targets = loraTargets(model.config, true);
    config.lora.targets.push_back(loraTargets(model.config).back());
    return config;
}

/// Two rows, some positions not scored.
TrainingBatch batchFor(const Case& c, const DecoderModel& model, std::int64_t length)
{
    at::Tensor ids = (at::arange(2 * length) * 37 + 11).remainder(300).view({2, length});
    at::Tensor targets = at::full_like(ids, kIgnoredLabel);
    targets.narrow(1, 0, length - 1).copy_(ids.narrow(1, 1, length - 1));
    targets.narrow(1, 5, 4).fill_(kIgnoredLabel);
    return {ids, targets,
            attentionLayout(c.attention, model.config.headCount, 2, length, c.documents)};
}

/// Lora B away from zero, so that A has a gradient.
void moveLora(TrainableSet& trainables)
{
    for (Trainable& item : trainables.items()) {
        if (item.name.ends_with("lora_B")) {
            item.master.detach().copy_(
                at::arange(item.master.numel(), item.master.options().requires_grad(false))
                    .view(item.master.sizes())
                    .sin()
                    .mul(0.1));
        }
    }
    trainables.publish();
}

std::vector<at::Tensor> endToEndGradients(DecoderModel& model, TrainableSet& trainables,
                                          const TrainingBatch& batch, double scale)
{
    const at::AutoGradMode recording(true);
    torch::autograd::variable_list leaves;
    for (Trainable& item : trainables.items()) {
        item.weight.requires_grad_(true);
        leaves.push_back(item.weight);
    }
    const ModelConfig& config = model.config;
    const auto rotary = rotaryTable(config.rope, config.rotaryDim(), 0, batch.layout.length,
                                    batch.layout.length, at::kCPU, model.dtype());
    const Attend attend = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
        return segmentedAttention(q, k, v, batch.layout);
    };
    at::Tensor hidden = embed(model, batch.ids);
    for (const DecoderLayer& layer : model.layers) {
        hidden = layerForward(layer, config, hidden, rotary, attend);
    }
    const at::Tensor logProbabilities = at::log_softmax(headForward(model, hidden), -1);
    const at::Tensor scored = batch.targets.ne(kIgnoredLabel);
    const at::Tensor picked =
        logProbabilities.gather(2, batch.targets.clamp_min(0).unsqueeze(2)).squeeze(2);
    const at::Tensor loss = (picked * scored).sum() * -scale;
    return torch::autograd::grad({loss}, leaves);
}

class LayerDriverGradients : public testing::TestWithParam<Case> {};

TEST_P(LayerDriverGradients, EqualEndToEndAutograd)
{
    const Case& c = GetParam();
    DecoderModel model = test::goldenModel(c.model, at::kDouble);
    TrainableSet trainables(model, configFor(c, model));
    moveLora(trainables);
    const TrainingBatch batch = batchFor(c, model, 53);
    const double scale = 1.0 / 96.0;
    const auto expected = endToEndGradients(model, trainables, batch, scale);

    LayerDriver driver(model, trainables, c.memory);
    const double sum = driver.forwardBackward(batch, scale).item<double>();
    EXPECT_NEAR(sum, driver.forwardLoss(batch).item<double>(), 1e-9);
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const Trainable& item = trainables.items()[i];
        EXPECT_LT((item.gradient - expected[i]).abs().max().item<double>(), 1e-12) << item.name;
        EXPECT_GT(expected[i].abs().max().item<double>(), 0.0) << item.name;
    }
}

const DocumentStarts kPacked{{0, 7, 30}, {0, 44}};
const AttentionSpec kS2{AttentionKind::S2, 16, GroupEdge::Clipped};
const AttentionSpec kCircular{AttentionKind::S2, 12, GroupEdge::Circular};
const LayerMemory kNone{{RecomputeLevel::None}, 0};
const LayerMemory kFull{{RecomputeLevel::Full}, 0};
const LayerMemory kTiled{{RecomputeLevel::Full}, 16};
const LayerMemory kTiledMlp{{RecomputeLevel::Mlp}, 17};
const LayerMemory kTiledNone{{RecomputeLevel::None}, 20};
const LayerMemory kOffloaded{{RecomputeLevel::Full}, 16, true};
const LayerMemory kOffloadedMixed{{RecomputeLevel::Mlp, RecomputeLevel::Output}, 0, true};
/// Groups of 16: tiles of two and of one, and some that cut a group in pieces.
LayerMemory groupTiles(std::int64_t tokens, std::int64_t mlpTile = 0, bool offloaded = false)
{
    return {{RecomputeLevel::Full}, mlpTile, offloaded, tokens};
}
const LayerMemory kGroupTilesMixed{{RecomputeLevel::Full, RecomputeLevel::Mlp}, 7, true, 16};
const LayerMemory kMixed{{RecomputeLevel::Qkv, RecomputeLevel::Output, RecomputeLevel::None}, 1};

INSTANTIATE_TEST_SUITE_P(
    Variants, LayerDriverGradients,
    testing::Values(Case{"llama-mha", TrainingMethod::Full, {}, {}, kFull},
                    Case{"llama-mha", TrainingMethod::Full, kS2, kPacked, kMixed},
                    Case{"llama-mha", TrainingMethod::Full, kS2, kPacked, kOffloaded},
                    Case{"llama-mha", TrainingMethod::Lora, kCircular, {}, kNone},
                    Case{"llama-gqa-llama3", TrainingMethod::Lora, kS2, {}, kTiled},
                    Case{"llama-gqa-llama3", TrainingMethod::Lora, kS2, kPacked, kTiledNone},
                    Case{"llama-gqa-llama3", TrainingMethod::Full, {}, kPacked, kTiledMlp},
                    Case{"mistral-gqa", TrainingMethod::Lora, kS2, {}, kMixed},
                    Case{"mistral-gqa", TrainingMethod::Full, {}, {}, kTiledNone},
                    Case{"qwen2", TrainingMethod::Full, kS2, kPacked, kTiled},
                    Case{"qwen2", TrainingMethod::Lora, {}, {}, kMixed},
                    Case{"qwen3", TrainingMethod::Full, kS2, {}, kMixed},
                    Case{"qwen3", TrainingMethod::Lora, {}, {}, kOffloadedMixed},
                    Case{"gpt-neox", TrainingMethod::Lora, kS2, kPacked, kOffloadedMixed},
                    Case{"qwen3", TrainingMethod::Lora, kS2, kPacked, kTiledMlp},
                    Case{"gpt-neox", TrainingMethod::Full, kS2, kPacked, kTiled},
                    Case{"gpt-neox", TrainingMethod::Full, {}, {}, kTiledNone},
                    Case{"gpt-neox", TrainingMethod::Lora, kCircular, {}, kMixed},
                    Case{"llama-mha", TrainingMethod::Full, kS2, {}, groupTiles(32)},
                    Case{"llama-mha", TrainingMethod::Lora, kS2, kPacked, groupTiles(16)},
                    Case{"llama-gqa-llama3", TrainingMethod::Lora, kS2, kPacked, groupTiles(32, 5)},
                    Case{"mistral-gqa", TrainingMethod::Full, kS2, {}, groupTiles(16, 0, true)},
                    Case{"qwen2", TrainingMethod::Lora, kS2, kPacked, groupTiles(21)},
                    Case{"qwen3", TrainingMethod::Full, kS2, kPacked, groupTiles(16, 24)},
                    Case{"qwen3", TrainingMethod::Lora, kS2, {}, kGroupTilesMixed},
                    Case{"gpt-neox", TrainingMethod::Full, kS2, kPacked, groupTiles(32)},
                    Case{"gpt-neox", TrainingMethod::Lora, kS2, {}, groupTiles(19, 8)},
                    Case{"llama-mha", TrainingMethod::Lora, kCircular, {}, groupTiles(24)},
                    Case{"qwen2", TrainingMethod::Lora, {}, {}, groupTiles(16)}));

/// Each tile with what it sees before it, against the whole layout's segments.
TEST(LayoutTiles, SeeWhatTheWholeRowSees)
{
    const std::int64_t heads = 4, length = 53;
    for (const DocumentStarts& documents : {DocumentStarts{}, kPacked}) {
        const AttentionLayout whole = attentionLayout(kS2, heads, 2, length, documents);
        EXPECT_TRUE(canTile(whole, 32));
        EXPECT_TRUE(canTile(whole, 16));
        EXPECT_FALSE(canTile(whole, 53)) << "one tile is none";
        EXPECT_FALSE(canTile(whole, 0));
        const LayoutTile tile = layoutTile(whole, 0, 32, 48);
        EXPECT_EQ(tile.halo, documents.empty() ? 8 : 2) << "half a group, or from its document on";
        EXPECT_EQ(tile.layout.length, tile.halo + 16);
    }
    EXPECT_FALSE(canTile(attentionLayout(kCircular, heads, 2, length), 24)) << "it is rolled";
    EXPECT_FALSE(canTile(attentionLayout({}, heads, 2, length), 16)) << "it sees everything";
}

/// Every level with and without tiles, for one family of each residual and MLP.
class LayerDriverMemory
    : public testing::TestWithParam<std::tuple<std::string, RecomputeLevel, std::int64_t>> {};

TEST_P(LayerDriverMemory, NeverChangesAGradient)
{
    const auto& [name, level, tile] = GetParam();
    const Case c{name, TrainingMethod::Full, kS2, kPacked, {{level}, tile}};
    std::vector<at::Tensor> gradients[2];
    for (const bool changed : {false, true}) {
        DecoderModel model = test::goldenModel(name, at::kDouble);
        TrainableSet trainables(model, configFor(c, model));
        LayerDriver driver(model, trainables, changed ? c.memory : kNone);
        driver.forwardBackward(batchFor(c, model, 53), 0.01);
        for (const Trainable& item : trainables.items()) {
            gradients[changed].push_back(item.gradient);
        }
    }
    for (std::size_t i = 0; i < gradients[0].size(); ++i) {
        EXPECT_LT((gradients[0][i] - gradients[1][i]).abs().max().item<double>(), 1e-14) << i;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Levels, LayerDriverMemory,
    testing::Combine(testing::Values("llama-gqa-llama3", "qwen3", "gpt-neox"),
                     testing::Values(RecomputeLevel::None, RecomputeLevel::Mlp, RecomputeLevel::Qkv,
                                     RecomputeLevel::Output, RecomputeLevel::Full),
                     testing::Values(0, 1, 24, 1000)));

/// The variants that no golden model has.
TEST(LayerDriver, EqualsAutogradInEveryVariantOfTheDescription)
{
    const auto compare = [](const std::string& base, const auto& change) {
        ModelConfig config = test::goldenModel(base).config;
        change(config);
        DecoderModel model = randomModel(config, 5, {at::kCPU, at::kDouble});
        Case c{base, TrainingMethod::Full, kS2, {}, kFull};
        TrainableSet trainables(model, configFor(c, model));
        const TrainingBatch batch = batchFor(c, model, 37);
        const auto expected = endToEndGradients(model, trainables, batch, 1.0);
        LayerDriver driver(model, trainables, c.memory);
        driver.forwardBackward(batch, 1.0);
        EXPECT_EQ(trainables.parameterCount(), config.parameterCount());
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const Trainable& item = trainables.items()[i];
            EXPECT_LT((item.gradient - expected[i]).abs().max().item<double>(), 1e-10)
                << base << " " << item.name;
        }
    };
    compare("gpt-neox", [](ModelConfig& c) { c.parallelResidual = false; });
    compare("gpt-neox", [](ModelConfig& c) {
        c.queryKeyValueBias = c.attentionOutputBias = false;
        c.activation = Activation::GeluTanh;
        c.rotaryFraction = 1.0;
    });
    compare("llama-gqa-llama3",
            [](ModelConfig& c) { c.queryKeyValueBias = c.attentionOutputBias = c.mlpBias = true; });
    compare("qwen3", [](ModelConfig& c) {
        c.queryKeyValueBias = c.attentionOutputBias = true;
        c.tiedEmbeddings = true;
    });
}

/// The same model with its linear weights as 4 bits hold them, in full.
DecoderModel roundedToNf4(const std::string& name)
{
    DecoderModel model = test::goldenModel(name, at::kDouble);
    forEachLinear(model, [](const WeightShape&, LoraLinear& linear) {
        const Nf4Matrix packed(linear.weight, at::kCPU);
        packed.unpack(linear.weight);
    });
    return model;
}

TEST(LayerDriver, LinearsInFourBitsGiveTheGradientsOfWhatTheyStandFor)
{
    for (const std::string name : {"llama-gqa-llama3", "qwen2", "qwen3", "gpt-neox"}) {
        const Case c{name, TrainingMethod::Lora, kS2, kPacked, kMixed};
        DecoderModel dense = roundedToNf4(name);
        TrainableSet denseTrainables(dense, configFor(c, dense));
        moveLora(denseTrainables);
        const TrainingBatch batch = batchFor(c, dense, 53);
        const auto expected = endToEndGradients(dense, denseTrainables, batch, 0.01);

        DecoderModel packed = test::goldenModel(name, at::kDouble);
        quantizeLinears(packed);
        TrainableSet trainables(packed, configFor(c, packed));
        moveLora(trainables);
        LayerDriver driver(packed, trainables, c.memory);
        const double sum = driver.forwardBackward(batch, 0.01).item<double>();
        EXPECT_NEAR(sum, driver.forwardLoss(batch).item<double>(), 1e-9);
        ASSERT_EQ(trainables.items().size(), expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const Trainable& item = trainables.items()[i];
            EXPECT_LT((item.gradient - expected[i]).abs().max().item<double>(), 1e-12)
                << name << " " << item.name;
        }
    }
}

TEST(Nf4Matrix, IsNearAndTakesAQuarterOfBf16)
{
    const at::Tensor weight = at::randn({96, 320}, at::kFloat);
    const Nf4Matrix packed(weight, at::kCPU);
    at::Tensor wide = at::empty({96, 320}, at::kFloat);
    packed.unpack(wide);
    // Of a normal distribution, Dettmers et al. 2023: about 0.0087 of mean squared error.
    EXPECT_NEAR((wide - weight).square().mean().item<double>(), 0.0087, 0.0012);
    EXPECT_NEAR(packed.bytes() / static_cast<double>(weight.numel()), kNf4Bytes, 0.001);
    at::Tensor narrow = at::empty({96, 320}, at::kBFloat16);
    packed.unpack(narrow);
    EXPECT_TRUE(at::equal(narrow, wide.to(at::kBFloat16)));
}

TEST(LayerDriver, TiedHeadAndEmbeddingShareOneGradient)
{
    DecoderModel model = test::goldenModel("llama-mha", at::kDouble);
    model.lmHead = model.embedTokens;
    Case c{"llama-mha", TrainingMethod::Full, {}, {}, kFull};
    TrainableSet trainables(model, configFor(c, model));
    const TrainingBatch batch = batchFor(c, model, 20);
    const auto expected = endToEndGradients(model, trainables, batch, 1.0);
    LayerDriver driver(model, trainables, c.memory);
    driver.forwardBackward(batch, 1.0);
    EXPECT_EQ(trainables.items()[0].name, "model.embed_tokens.weight");
    EXPECT_LT((trainables.items()[0].gradient - expected[0]).abs().max().item<double>(), 1e-10);
}

} // namespace
} // namespace longlora
