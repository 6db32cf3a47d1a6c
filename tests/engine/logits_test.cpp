// SPDX-License-Identifier: GPL-3.0-or-later
// Logits and gradients against float64 references; see tests/golden/MAKING.md.
#include "core/engine/model/forward.h"
#include "core/engine/train/layer_driver.h"
#include "tests/support/golden_model.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace longlora {
namespace {

using test::golden;

/// "logits_s2_clipped_g24" -> S2, clipped, 24.
AttentionSpec specOf(const std::string& key)
{
    if (key.ends_with("_full")) {
        return {};
    }
    const GroupEdge edge =
        key.find("circular") != std::string::npos ? GroupEdge::Circular : GroupEdge::Clipped;
    return {AttentionKind::S2, std::stoll(key.substr(key.rfind("_g") + 2)), edge};
}

class GoldenLogits : public testing::TestWithParam<std::string> {};

TEST_P(GoldenLogits, EqualTheReferenceForEveryAttention)
{
    const DecoderModel model = test::goldenModel(GetParam());
    for (const std::string suffix : {"", "-long"}) {
        const auto file =
            SafetensorsFile::open(golden("logits/" + GetParam() + suffix + ".safetensors"));
        const at::Tensor ids = file.tensor("ids").unsqueeze(0);
        const at::Tensor rows = file.tensor("rows").to(at::kLong);
        int compared = 0;
        for (const auto& [key, entry] : file.entries()) {
            if (!key.starts_with("logits_")) {
                continue;
            }
            const at::Tensor logits =
                forwardLogits(model, ids, specOf(key)).squeeze(0).index_select(0, rows);
            EXPECT_LT(test::logitError(logits, file.tensor(key)), 1e-4) << key << suffix;
            ++compared;
        }
        EXPECT_GE(compared, suffix.empty() ? 5 : 3);
    }
}

/// Trains every weight, so that each has a gradient.
RunConfig fullTraining()
{
    RunConfig config;
    config.method = TrainingMethod::Full;
    return config;
}

TEST_P(GoldenLogits, GradientsOfTheLayerDriverEqualTheReference)
{
    const auto file = SafetensorsFile::open(golden("logits/" + GetParam() + ".safetensors"));
    const at::Tensor ids = file.tensor("ids").unsqueeze(0);
    const std::int64_t length = ids.size(1);
    at::Tensor targets = at::full_like(ids, -100);
    targets.narrow(1, 0, length - 1).copy_(ids.narrow(1, 1, length - 1));
    for (const std::string kind : {"full", "s2_clipped_g24"}) {
        DecoderModel model = test::goldenModel(GetParam());
        TrainableSet trainables(model, fullTraining());
        LayerDriver driver(model, trainables, {});
        const AttentionSpec spec = specOf("x_" + kind);
        const TrainingBatch batch{ids, targets,
                                  attentionLayout(spec, model.config.headCount, 1, length)};
        const double scale = 1.0 / static_cast<double>(length - 1);
        const double loss = driver.forwardBackward(batch, scale).item<double>() * scale;
        EXPECT_NEAR(loss, file.tensor("loss_" + kind).item<double>(), 1e-5) << kind;
        const std::string prefix = "grad_" + kind + ".";
        const auto expected =
            std::count_if(file.entries().begin(), file.entries().end(),
                          [&](const auto& entry) { return entry.first.starts_with(prefix); });
        EXPECT_GE(expected, 4);
        int compared = 0;
        for (const Trainable& item : trainables.items()) {
            const std::string key = prefix + item.name;
            if (file.entries().count(key) != 0) {
                EXPECT_LT(test::relativeError(item.gradient, file.tensor(key)), 1e-4) << key;
                ++compared;
            }
        }
        EXPECT_EQ(compared, expected) << kind;
    }
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenLogits,
                         testing::Values("llama-mha", "llama-linear", "llama-gqa-llama3",
                                         "llama-yarn", "llama-dynamic", "mistral-gqa", "qwen2",
                                         "qwen3", "gpt-neox"),
                         [](const auto& param) {
                             std::string name = param.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

TEST(SlidingWindow, LogitsEqualTheReference)
{
    const auto file = SafetensorsFile::open(golden("logits/mistral-window.safetensors"));
    DecoderModel model = test::goldenModel("mistral-gqa");
    const at::Tensor rows = file.tensor("rows").to(at::kLong);
    const auto logits = [&] {
        return forwardLogits(model, file.tensor("ids").unsqueeze(0), {})
            .squeeze(0)
            .index_select(0, rows);
    };
    EXPECT_GT(test::logitError(logits(), file.tensor("logits_window_24")), 0.1);
    model.config.slidingWindow = 24;
    EXPECT_LT(test::logitError(logits(), file.tensor("logits_window_24")), 1e-4);
}

TEST(Leak, ClippedEdgeNeverSeesALaterTokenAndCircularDoes)
{
    const DecoderModel model = test::goldenModel("llama-mha", at::kDouble);
    const at::Tensor ids = at::arange(7, 7 + 40).unsqueeze(0);
    at::Tensor changed = ids.clone();
    changed[0][30] = 300;
    for (const GroupEdge edge : {GroupEdge::Clipped, GroupEdge::Circular}) {
        const AttentionSpec spec{AttentionKind::S2, 10, edge};
        const at::Tensor before =
            (forwardLogits(model, ids, spec) - forwardLogits(model, changed, spec))
                .narrow(1, 0, 30)
                .abs()
                .max();
        if (edge == GroupEdge::Clipped) {
            EXPECT_EQ(before.item<double>(), 0.0);
        } else {
            // Tokens 0..4 share the last rolled group with 35..39, not with 30: change one there.
            at::Tensor tail = ids.clone();
            tail[0][37] = 300;
            const at::Tensor leaked =
                (forwardLogits(model, ids, spec) - forwardLogits(model, tail, spec))
                    .narrow(1, 0, 5)
                    .abs()
                    .max();
            EXPECT_GT(leaked.item<double>(), 1e-6);
        }
    }
}

} // namespace
} // namespace longlora
