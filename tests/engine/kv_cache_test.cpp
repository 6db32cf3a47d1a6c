// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/kv_cache.h"
#include "tests/engine/random_llama.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

#include <gtest/gtest.h>

namespace longlora {
namespace {

using Ids = std::vector<TokenId>;

constexpr std::int64_t kKvHeads = 3;

/// A cache looks at no more of a model than this.
DecoderModel modelOf(std::int64_t headDim, at::ScalarType dtype)
{
    DecoderModel model = test::randomLlama(6, kKvHeads, dtype);
    model.config.headDim = headDim;
    return model;
}

/// Keys and values of a text, different in every layer, and the ids of the text.
struct Text {
    Text(const DecoderModel& model, std::int64_t tokens)
        : ids(static_cast<std::size_t>(tokens), 7)
    {
        at::manual_seed(5);
        for (std::size_t i = 0; i < 2 * model.layers.size(); ++i) {
            vectors.push_back(
                at::randn({1, tokens, kKvHeads, model.config.headDim}).to(model.dtype()));
        }
    }

    /// Writes tokens [cache.length(), end) as one pass would.
    void writeTo(KvCache& cache, std::int64_t end) const
    {
        const std::int64_t first = cache.length(), count = end - first;
        for (std::size_t layer = 0; layer < vectors.size() / 2; ++layer) {
            cache.write(layer, keys(layer).narrow(1, first, count),
                        values(layer).narrow(1, first, count));
        }
        cache.append(std::span(ids).subspan(0, static_cast<std::size_t>(count)));
    }
    /// The same, `step` tokens at once.
    void writeTo(KvCache& cache, std::int64_t end, std::int64_t step) const
    {
        while (cache.length() < end) {
            writeTo(cache, std::min(cache.length() + step, end));
        }
    }

    const at::Tensor& keys(std::size_t layer) const { return vectors[2 * layer]; }
    const at::Tensor& values(std::size_t layer) const { return vectors[2 * layer + 1]; }

    std::vector<at::Tensor> vectors;
    Ids ids;
};

/// Whether two caches hold the same numbers, bit by bit.
bool holdTheSame(const KvCache& a, const KvCache& b, std::size_t layers)
{
    bool same = a.length() == b.length();
    for (std::size_t layer = 0; same && layer < layers; ++layer) {
        same = at::equal(a.keys(layer, 0, a.length()), b.keys(layer, 0, b.length())) &&
               at::equal(a.values(layer, 0, a.length()), b.values(layer, 0, b.length()));
    }
    return same;
}

double largestError(const at::Tensor& a, const at::Tensor& b)
{
    return a.numel() == 0 ? 0.0
                          : (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

class KvCacheOf : public testing::TestWithParam<std::tuple<std::int64_t, at::ScalarType>> {
protected:
    DecoderModel model = modelOf(std::get<0>(GetParam()), std::get<1>(GetParam()));
};

INSTANTIATE_TEST_SUITE_P(HeadsAndDtypes, KvCacheOf,
                         testing::Combine(testing::Values(8, 33, 64, 80),
                                          testing::Values(at::kDouble, at::kFloat, at::kBFloat16)));

TEST_P(KvCacheOf, GivesBackWhatTheFormatKeeps)
{
    const Text text(model, 300);
    const double largest = text.keys(1).abs().max().item<double>();
    const std::pair<KvFormat, double> tolerances[] = {{KvFormat::Model, 0.0},
                                                      {KvFormat::BFloat16, largest / 256.0},
                                                      {KvFormat::Int8, largest / 120.0},
                                                      // half of a fifteenth of the span
                                                      {KvFormat::Int4, largest / 14.5}};
    for (const auto& [format, tolerance] : tolerances) {
        KvCache cache(model, format);
        cache.reserve(300);
        text.writeTo(cache, 300);
        const double error = largestError(cache.keys(1, 0, 300), text.keys(1));
        EXPECT_LE(error, tolerance) << enumName(format);
        if (format == KvFormat::Int8 || format == KvFormat::Int4) {
            EXPECT_GT(error, tolerance / 20.0) << enumName(format);
        }
    }
}

TEST_P(KvCacheOf, CountsWhatItAllocates)
{
    for (const KvFormat format :
         {KvFormat::Model, KvFormat::BFloat16, KvFormat::Int8, KvFormat::Int4}) {
        KvCache cache(model, format);
        EXPECT_EQ(cache.bytes(), 0.0);
        for (const std::int64_t tokens : {1, 1000}) {
            cache.reserve(tokens);
            double bytes = 0.0;
            for (std::size_t layer = 0; layer < model.layers.size(); ++layer) {
                for (const KvCache::Kept* kept :
                     {&cache.keptKeys(layer), &cache.keptValues(layer)}) {
                    for (const at::Tensor* part :
                         {&kept->stored.numbers, &kept->stored.scales, &kept->recent}) {
                        bytes += part->defined() ? static_cast<double>(part->nbytes()) : 0.0;
                    }
                }
            }
            EXPECT_EQ(cache.bytes(), bytes) << enumName(format);
            EXPECT_EQ(cache.bytesFor(cache.capacity()), bytes) << enumName(format);
        }
    }
}

TEST_P(KvCacheOf, InFourBitsHoldsTheSameHoweverTokensCame)
{
    const Text text(model, 300);
    KvCache whole(model, KvFormat::Int4);
    whole.reserve(300);
    for (const std::int64_t length : {1, 63, 64, 127, 128, 129, 191, 192, 300}) {
        whole.truncate(0);
        text.writeTo(whole, length);
        for (const std::int64_t step : {1, 7, 64, 100}) {
            KvCache other(model, KvFormat::Int4);
            other.reserve(300);
            text.writeTo(other, length, step);
            EXPECT_TRUE(holdTheSame(other, whole, model.layers.size())) << length << " " << step;
        }
    }
}

TEST(KvCache, InFourBitsKeepsTheNewestTokensInFull)
{
    const DecoderModel model = modelOf(64, at::kFloat);
    const Text text(model, 300);
    KvCache cache(model, KvFormat::Int4);
    cache.reserve(300);
    for (std::int64_t length = 1; length <= 300; ++length) {
        text.writeTo(cache, length);
        const std::int64_t recent = length < 128 ? length : 64 + length % 64;
        const auto part = [&](std::int64_t first, std::int64_t end) {
            return largestError(cache.values(2, first, end),
                                text.values(2).narrow(1, first, end - first));
        };
        EXPECT_EQ(part(length - recent, length), 0.0) << length;
        EXPECT_EQ(part(0, length - recent) > 0.0, length >= 128) << length;
        EXPECT_EQ(cache.firstRecent(2), length - recent);
    }
}

TEST(KvCache, InFourBitsWhatIsStoredStays)
{
    const DecoderModel model = modelOf(40, at::kFloat);
    const Text text(model, 400);
    KvCache cache(model, KvFormat::Int4);
    cache.reserve(400);
    text.writeTo(cache, 200);
    const std::int64_t stored = cache.firstRecent(0);
    const at::Tensor before = cache.keys(0, 0, stored).clone();
    text.writeTo(cache, 400, 3);
    EXPECT_TRUE(at::equal(cache.keys(0, 0, stored), before));
    cache.truncate(stored + 1);
    EXPECT_TRUE(at::equal(cache.keys(0, 0, cache.length()), before.narrow(1, 0, cache.length())));
}

TEST(KvCache, InFourBitsTruncatingAndReadingAgainIsAsIfNothingHadBeenThere)
{
    const DecoderModel model = modelOf(32, at::kFloat);
    const Text text(model, 400);
    for (const std::int64_t before : {100, 200, 255, 256, 400}) {
        for (const std::int64_t length : {0, 1, 64, 99, 130, 199, 255}) {
            if (length > before) {
                continue;
            }
            KvCache cache(model, KvFormat::Int4);
            cache.reserve(400);
            text.writeTo(cache, before, 90);
            cache.truncate(length);
            EXPECT_LE(cache.length(), length);
            EXPECT_GE(cache.length(), length - 127) << "more is forgotten than need be";
            KvCache fresh(model, KvFormat::Int4);
            fresh.reserve(400);
            for (const std::int64_t end : {length, std::int64_t{260}, std::int64_t{400}}) {
                text.writeTo(cache, end, 50);
                text.writeTo(fresh, end, 1000);
                EXPECT_TRUE(holdTheSame(cache, fresh, model.layers.size()))
                    << before << " " << length << " " << end;
            }
        }
    }
}

TEST(KvCache, InFourBitsAPassThatEndedEarlyIsForgottenWithWhatItMoved)
{
    const DecoderModel model = modelOf(32, at::kFloat);
    const Text text(model, 300);
    KvCache cache(model, KvFormat::Int4);
    cache.reserve(300);
    text.writeTo(cache, 190);
    cache.write(0, text.keys(0).narrow(1, 190, 20), text.values(0).narrow(1, 190, 20));
    cache.truncate(190);
    EXPECT_EQ(cache.length(), 0);
    KvCache fresh(model, KvFormat::Int4);
    fresh.reserve(300);
    text.writeTo(cache, 300);
    text.writeTo(fresh, 300);
    EXPECT_TRUE(holdTheSame(cache, fresh, model.layers.size()));
}

TEST(KvCache, GrowingKeepsWhatIsHeldInEveryFormat)
{
    const DecoderModel model = modelOf(24, at::kBFloat16);
    const Text text(model, 600);
    for (const KvFormat format :
         {KvFormat::Model, KvFormat::BFloat16, KvFormat::Int8, KvFormat::Int4}) {
        KvCache growing(model, format), roomy(model, format);
        growing.reserve(200);
        roomy.reserve(600);
        text.writeTo(growing, 200);
        growing.reserve(600);
        text.writeTo(growing, 600);
        text.writeTo(roomy, 600);
        EXPECT_TRUE(holdTheSame(growing, roomy, model.layers.size())) << enumName(format);
    }
}

} // namespace
} // namespace longlora
