// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/config/rope_json.h"
#include "core/spec/config/rope_scaling.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>
#include <set>

namespace longlora {
namespace {

using Json = nlohmann::json;

Json goldenCases()
{
    return Json::parse(
        test::contentOf(std::filesystem::path(LONGLORA_GOLDEN_DIR) / "rope/inv_freq.json"));
}

TEST(RopeFrequencies, EqualHuggingFaceForEveryKind)
{
    std::set<RopeKind> kinds;
    for (const Json& golden : goldenCases()) {
        const std::string name = golden["name"];
        const Json& config = golden["config"];
        const std::int64_t positions = config["max_position_embeddings"];
        const std::int64_t headDim = config.contains("head_dim")
                                         ? config["head_dim"].get<std::int64_t>()
                                         : config["hidden_size"].get<std::int64_t>() /
                                               config["num_attention_heads"].get<std::int64_t>();
        const RopeScaling rope = readRope(JsonObject::parse(config.dump(), name), positions);
        kinds.insert(rope.kind);
        const std::int64_t length =
            golden["sequence_length"].is_null() ? 1 : golden["sequence_length"].get<std::int64_t>();
        const RopeFrequencies ours = ropeFrequencies(rope, headDim, length);
        const auto expected = golden["inv_freq"].get<std::vector<double>>();
        ASSERT_EQ(ours.inverse.size(), expected.size()) << name;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            EXPECT_NEAR(ours.inverse[i] / expected[i], 1.0, 1e-6) << name << " " << i;
        }
        EXPECT_NEAR(ours.attentionFactor, golden["attention_factor"].get<double>(), 1e-9) << name;
    }
    EXPECT_EQ(kinds.size(), 5U);
}

TEST(RopeFrequencies, FactorOneChangesNothing)
{
    const RopeScaling plain;
    const RopeFrequencies expected = ropeFrequencies(plain, 64, 100);
    for (const RopeKind kind : {RopeKind::Linear, RopeKind::Yarn, RopeKind::Llama3}) {
        RopeScaling rope;
        rope.kind = kind;
        rope.originalMaxPositionEmbeddings = 50;
        const RopeFrequencies ours = ropeFrequencies(rope, 64, 100);
        for (std::size_t i = 0; i < expected.inverse.size(); ++i) {
            EXPECT_NEAR(ours.inverse[i] / expected.inverse[i], 1.0, 1e-12) << ropeKindName(kind);
        }
        EXPECT_EQ(ours.attentionFactor, 1.0);
    }
}

TEST(RopeFrequencies, DynamicIsUnscaledUpToTheOriginalContext)
{
    RopeScaling rope;
    rope.kind = RopeKind::Dynamic;
    rope.factor = 4;
    rope.originalMaxPositionEmbeddings = 50;
    const std::vector<double> plain = ropeFrequencies(RopeScaling(), 64, 1).inverse;
    EXPECT_EQ(ropeFrequencies(rope, 64, 50).inverse, plain);
    EXPECT_LT(ropeFrequencies(rope, 64, 51).inverse.back(), plain.back());
}

TEST(RopeScaling, DescriptionsAreForPeople)
{
    RopeScaling rope;
    EXPECT_EQ(describeRope(rope), "default, theta 10,000");
    rope.theta = 1234.5;
    EXPECT_EQ(describeRope(rope), "default, theta 1234.5");
    rope.theta = 0x1p117; // a count in no integer
    EXPECT_EQ(describeRope(rope), "default, theta 1.661534994731145e+35");
    rope.kind = RopeKind::Linear;
    rope.factor = 4;
    EXPECT_EQ(describeRope(rope), "linear x 4");
    rope.kind = RopeKind::Llama3;
    rope.factor = 8;
    rope.originalMaxPositionEmbeddings = 8192;
    EXPECT_EQ(describeRope(rope), "llama3 x 8 over 8,192");
}

TEST(RopeJson, RoundTripIsExactForEveryKind)
{
    for (const RopeKind kind : {RopeKind::Default, RopeKind::Linear, RopeKind::Dynamic,
                                RopeKind::Yarn, RopeKind::Llama3}) {
        RopeScaling rope;
        rope.kind = kind;
        rope.theta = 1234.5678901234567;
        if (kind != RopeKind::Default) {
            rope.factor = 4.1;
        }
        if (kind == RopeKind::Dynamic || kind == RopeKind::Yarn || kind == RopeKind::Llama3) {
            rope.originalMaxPositionEmbeddings = 4096;
        }
        if (kind == RopeKind::Llama3) {
            rope.lowFrequencyFactor = 1.1;
            rope.highFrequencyFactor = 3.3;
        }
        if (kind == RopeKind::Yarn) {
            rope.betaFast = 31.5;
            rope.betaSlow = 1.5;
            rope.attentionFactor = 1.2;
            rope.wholeCorrectionRange = false;
        }
        EXPECT_EQ(ropeFromJson(ropeToJson(rope), "test"), rope) << ropeToJson(rope);
    }
}

TEST(RopeJson, RefusesWhatItCannotMean)
{
    const auto refusal = [](const char* text) {
        return test::messageOf<FormatError>([&] { ropeFromJson(text, "adapter"); });
    };
    EXPECT_NE(refusal("{}").find("key rope_type: missing"), std::string::npos);
    EXPECT_NE(refusal(R"({"rope_type": "longrope"})").find("\"longrope\""), std::string::npos);
    EXPECT_NE(refusal(R"({"rope_type": "linear"})").find("key factor: missing"), std::string::npos);
    EXPECT_NE(refusal(R"({"rope_type": "linear", "factor": 0.5})").find("key factor: 0.5"),
              std::string::npos);
    EXPECT_NE(refusal(R"({"rope_type": "dynamic", "factor": 2})").find("original_max"),
              std::string::npos);
}

} // namespace
} // namespace longlora
