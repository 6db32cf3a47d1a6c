// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/evaluate/perplexity.h"
#include "core/engine/infer/cached_forward.h"
#include "core/engine/model/forward.h"
#include "core/spec/base/error.h"
#include "core/spec/data/token_file.h"
#include "tests/engine/random_llama.h"
#include "tests/engine/tiny_shakespeare.h"

#include <ATen/Functions.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>

namespace longlora {
namespace {

using test::idRow;
using test::loadTiny;

std::vector<TokenId> heldOutTokens()
{
    const auto file = std::filesystem::path(LONGLORA_GOLDEN_DIR) / "perplexity" / "tokens.bin";
    return readTokenFile(file, 512);
}

PerplexityOptions sliding(std::int64_t context, std::int64_t stride)
{
    PerplexityOptions options;
    options.context = context;
    options.stride = stride;
    return options;
}

/// exp of the mean loss of every token that has a predecessor in the first window that holds it,
/// one window at a time and from whole logits.
double slidingByDefinition(const LoadedModel& model, const std::vector<TokenId>& tokens,
                           const PerplexityOptions& options)
{
    std::vector<bool> isScored(tokens.size(), false);
    double sum = 0.0;
    double count = 0.0;
    for (std::size_t begin = 0; begin < tokens.size();
         begin += static_cast<std::size_t>(options.stride)) {
        const std::size_t end =
            std::min(begin + static_cast<std::size_t>(options.context), tokens.size());
        const std::vector<TokenId> window(tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                                          tokens.begin() + static_cast<std::ptrdiff_t>(end));
        const at::Tensor logProbabilities =
            at::log_softmax(forwardLogits(model.decoder(), idRow(window), {}).squeeze(0), 1);
        for (std::size_t i = begin; i < end; ++i) {
            if (i > begin && !isScored[i]) {
                sum -= logProbabilities[static_cast<std::int64_t>(i - begin - 1)][tokens[i]]
                           .item<double>();
                count += 1.0;
            }
            isScored[i] = true;
        }
        if (end == tokens.size()) {
            break;
        }
    }
    return std::exp(sum / count);
}

TEST(Perplexity, EqualsTheReferenceInEveryRow)
{
    const LoadedModel model = loadTiny(ComputePrecision::Fp32);
    const std::vector<TokenId> tokens = heldOutTokens();
    std::ifstream file(std::filesystem::path(LONGLORA_GOLDEN_DIR) / "perplexity" / "expected.json");
    const nlohmann::json expected = nlohmann::json::parse(file);
    ASSERT_EQ(std::ssize(tokens), expected.at("token_count").get<std::int64_t>());
    ASSERT_EQ(expected.at("results").size(), 9U);
    for (const nlohmann::json& row : expected.at("results")) {
        SCOPED_TRACE(row.dump());
        PerplexityOptions options = sliding(row.at("context"), row.at("stride"));
        options.rule = row.at("rule") == "paper" ? PerplexityRule::Paper : PerplexityRule::Sliding;
        options.attention = row.at("attention") == "s2" ? AttentionKind::S2 : AttentionKind::Full;
        const PerplexityResult result = evaluatePerplexity(model, tokens, options, {});
        const double wanted = row.at("perplexity");
        EXPECT_NEAR(result.perplexity / wanted, 1.0, 1e-5);
        EXPECT_EQ(result.tokens, row.at("tokens").get<std::int64_t>());
        EXPECT_EQ(result.windows, row.at("windows").get<std::int64_t>());
        EXPECT_EQ(result.context, options.context);
        if (row.contains("group")) {
            options.group = row.at("group").get<std::int64_t>(); // a quarter, said aloud
            EXPECT_EQ(evaluatePerplexity(model, tokens, options, {}).perplexity, result.perplexity);
        }
    }
}

TEST(Perplexity, SlidingFollowsItsDefinitionForAnySizes)
{
    const LoadedModel model = loadTiny(ComputePrecision::Fp64);
    const std::vector<TokenId> all = heldOutTokens();
    const std::vector<TokenId> tokens(all.begin(), all.begin() + 203);
    for (const auto& [context, stride] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {2, 1}, {2, 2}, {2, 3}, {17, 5}, {16, 23}, {64, 64}, {101, 7}, {203, 50}, {500, 9}}) {
        const PerplexityOptions options = sliding(context, stride);
        EXPECT_NEAR(evaluatePerplexity(model, tokens, options, {}).perplexity /
                        slidingByDefinition(model, tokens, options),
                    1.0, 1e-10)
            << context << " " << stride;
    }
}

TEST(Perplexity, MaxWindowsTakesTheFirst)
{
    const LoadedModel model = loadTiny(ComputePrecision::Fp64);
    const std::vector<TokenId> all = heldOutTokens();
    PerplexityOptions options = sliding(64, 64);
    options.maxWindows = 3;
    const PerplexityResult some = evaluatePerplexity(model, all, options, {});
    EXPECT_EQ(some.windows, 3);
    EXPECT_EQ(some.tokens, 3 * 63);
    options.maxWindows = 0;
    const std::vector<TokenId> beginning(all.begin(), all.begin() + 192);
    EXPECT_NEAR(some.perplexity, evaluatePerplexity(model, beginning, options, {}).perplexity,
                1e-9);
}

TEST(Perplexity, ShorterAttentionGroupsChangeTheResult)
{
    const LoadedModel model = loadTiny(ComputePrecision::Fp32);
    PerplexityOptions options = sliding(128, 128);
    options.attention = AttentionKind::S2;
    options.group = 8;
    const double narrow = evaluatePerplexity(model, heldOutTokens(), options, {}).perplexity;
    options.group = 128;
    const double wide = evaluatePerplexity(model, heldOutTokens(), options, {}).perplexity;
    EXPECT_GT(narrow, 1.02 * wide);
}

/// Token by token, as a conversation meets its cache.
double perplexityOfDecoding(const LoadedModel& model, const std::vector<TokenId>& tokens,
                            KvFormat format)
{
    CachedForward forward(model.decoder(), 0, format);
    at::Tensor logits = forward.prefill(std::span(tokens).first(1), std::ssize(tokens));
    double sum = 0.0;
    for (std::size_t i = 1; i < tokens.size(); ++i) {
        sum -= at::log_softmax(logits, 0)[tokens[i]].item<double>();
        logits = forward.decode(tokens[i]);
    }
    return std::exp(sum / static_cast<double>(tokens.size() - 1));
}

TEST(Perplexity, ThroughACacheIsThatOfDecoding)
{
    const LoadedModel model = loadTiny(ComputePrecision::Fp32);
    std::vector<TokenId> tokens = heldOutTokens();
    tokens.resize(400);
    PerplexityOptions options = sliding(400, 400);
    const double exact = evaluatePerplexity(model, tokens, options, {}).perplexity;
    for (const KvFormat format : {KvFormat::BFloat16, KvFormat::Int8, KvFormat::Int4}) {
        options.cache = format;
        const double through = evaluatePerplexity(model, tokens, options, {}).perplexity;
        const double decoding = perplexityOfDecoding(model, tokens, format);
        const double tolerance = format == KvFormat::Int4 ? 5e-3 : 1e-3;
        EXPECT_NEAR(through / decoding, 1.0, tolerance) << enumName(format);
        EXPECT_NE(through, exact) << enumName(format);
        EXPECT_NEAR(through / exact, 1.0, 2.0 * tolerance) << enumName(format);
    }
}

TEST(Perplexity, ThroughACacheWindowsAreScoredAsWithout)
{
    const LoadedModel model = loadTiny(ComputePrecision::Fp32);
    const std::vector<TokenId> tokens = heldOutTokens();
    PerplexityOptions options = sliding(96, 40);
    const PerplexityResult exact = evaluatePerplexity(model, tokens, options, {});
    options.cache = KvFormat::Int4; // windows of less than 128 tokens are kept in full
    const PerplexityResult through = evaluatePerplexity(model, tokens, options, {});
    EXPECT_EQ(through.tokens, exact.tokens);
    EXPECT_EQ(through.windows, exact.windows);
    EXPECT_NEAR(through.perplexity / exact.perplexity, 1.0, 1e-5);
}

TEST(Perplexity, TellsProgressAndCanBeCancelled)
{
    const LoadedModel model = loadTiny(ComputePrecision::Fp32);
    const std::vector<TokenId> tokens = heldOutTokens();
    std::vector<std::int64_t> done;
    const auto result =
        evaluatePerplexity(model, tokens, sliding(128, 16), [&](const Progress& progress) {
            EXPECT_EQ(progress.total, 87);
            done.push_back(progress.done);
            return true;
        });
    EXPECT_EQ(result.windows, 87);
    EXPECT_EQ(done.back(), 87);
    EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
    EXPECT_THROW(
        evaluatePerplexity(model, tokens, sliding(128, 16), [](const Progress&) { return false; }),
        Cancelled);
}

TEST(Perplexity, RefusesTextsAndSettingsThatGiveNothing)
{
    const LoadedModel model = loadTiny(ComputePrecision::Fp32);
    const std::vector<TokenId> tokens = heldOutTokens();
    const auto measure = [&](const std::vector<TokenId>& text, const PerplexityOptions& options) {
        return evaluatePerplexity(model, text, options, {});
    };
    EXPECT_THROW(measure({}, sliding(64, 32)), DataError);
    EXPECT_THROW(measure({5}, sliding(64, 32)), DataError);
    EXPECT_EQ(measure({5, 6}, sliding(64, 32)).tokens, 1);
    EXPECT_THROW(measure({5, 600}, sliding(64, 32)), DataError);
    PerplexityOptions paper = sliding(64, 32);
    paper.rule = PerplexityRule::Paper;
    const std::vector<TokenId> short63(tokens.begin(), tokens.begin() + 63);
    EXPECT_THROW(measure(short63, paper), DataError);
    EXPECT_THROW(measure(tokens, sliding(1, 32)), ConfigError);
    EXPECT_THROW(measure(tokens, sliding(64, 0)), ConfigError);
    PerplexityOptions grouped = sliding(64, 32);
    grouped.attention = AttentionKind::S2;
    grouped.group = 0;
    EXPECT_THROW(measure(tokens, grouped), ConfigError);
    grouped.group = 16;
    grouped.cache = KvFormat::Int4;
    EXPECT_THROW(measure(tokens, grouped), ConfigError) << "a cache is read with full attention";
}

} // namespace
} // namespace longlora
