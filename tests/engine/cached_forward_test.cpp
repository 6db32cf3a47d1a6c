// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/infer/cached_forward.h"
#include "core/engine/model/forward.h"
#include "core/spec/base/error.h"
#include "tests/engine/random_llama.h"

#include <ATen/Functions.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

namespace longlora {
namespace {

using test::idRow;
using test::randomIds;
using test::randomLlama;
using test::relativeError;

using Ids = std::vector<TokenId>;

Ids firstOf(const Ids& ids, std::size_t count)
{
    return Ids(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count));
}

struct Case {
    std::int64_t heads;
    std::int64_t kvHeads;
    std::int64_t chunk;
};

/// Largest error of prefill of the first tokens and decoding of the others, one by one, against one
/// forward pass over all of them.
double errorAgainstWhole(const DecoderModel& model, std::int64_t chunk,
                         KvFormat format = KvFormat::Model)
{
    constexpr std::size_t kPrompt = 29;
    const Ids ids = randomIds(41, model.config.vocabularySize, 3);
    const at::Tensor whole = forwardLogits(model, idRow(ids), {}).squeeze(0);
    CachedForward cached(model, chunk, format);
    at::Tensor logits = cached.prefill(firstOf(ids, kPrompt), 41);
    double error = relativeError(logits, whole[kPrompt - 1]);
    for (std::size_t i = kPrompt; i < ids.size(); ++i) {
        logits = cached.decode(ids[i]);
        error = std::max(error, relativeError(logits, whole[static_cast<std::int64_t>(i)]));
    }
    EXPECT_EQ(cached.cache().ids(), ids);
    return error;
}

class CachedForwardOf : public testing::TestWithParam<Case> {};

TEST_P(CachedForwardOf, EqualsOnePassInFp64)
{
    const auto [heads, kvHeads, chunk] = GetParam();
    EXPECT_LT(errorAgainstWhole(randomLlama(heads, kvHeads, at::kDouble), chunk), 1e-10);
}

TEST_P(CachedForwardOf, EqualsOnePassInFp32)
{
    const auto [heads, kvHeads, chunk] = GetParam();
    EXPECT_LT(errorAgainstWhole(randomLlama(heads, kvHeads, at::kFloat), chunk), 1e-5);
}

TEST_P(CachedForwardOf, IsNearOnePassInBf16)
{
    const auto [heads, kvHeads, chunk] = GetParam();
    EXPECT_LT(errorAgainstWhole(randomLlama(heads, kvHeads, at::kBFloat16), chunk), 5e-2);
}

TEST_P(CachedForwardOf, IsNearOnePassWithCodesOfEightBits)
{
    const auto [heads, kvHeads, chunk] = GetParam();
    for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
        const double error =
            errorAgainstWhole(randomLlama(heads, kvHeads, dtype), chunk, KvFormat::Int8);
        EXPECT_LT(error, 5e-2) << "as near as bf16";
        EXPECT_GT(error, 1e-5) << "it is not kept in 8 bits";
    }
}

/// Largest error of reading `prompt` tokens and decoding the others against a cache in full.
double errorOfFormat(const DecoderModel& model, std::int64_t chunk, KvFormat format,
                     std::size_t prompt)
{
    const Ids ids = randomIds(330, model.config.vocabularySize, 3);
    CachedForward full(model, chunk), kept(model, chunk, format);
    double error = relativeError(kept.prefill(firstOf(ids, prompt), 330),
                                 full.prefill(firstOf(ids, prompt), 330));
    for (std::size_t i = prompt; i < ids.size(); ++i) {
        error = std::max(error, relativeError(kept.decode(ids[i]), full.decode(ids[i])));
    }
    return error;
}

/// Steps of 4 bits, a fifteenth of a group's span, over those of 8, a 127th of the largest number.
constexpr double kStepsOfFourBits = 2.0 * 127.0 / 15.0;

TEST_P(CachedForwardOf, IsAsNearWithCodesOfFourBitsAsTheirStepsAreWide)
{
    const auto [heads, kvHeads, chunk] = GetParam();
    for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
        const DecoderModel model = randomLlama(heads, kvHeads, dtype);
        const double eight = errorOfFormat(model, chunk, KvFormat::Int8, 200);
        const double four = errorOfFormat(model, chunk, KvFormat::Int4, 200);
        EXPECT_LT(four, kStepsOfFourBits * eight);
        EXPECT_GT(four, 2.0 * eight) << "it is not kept in 4 bits";
    }
}

TEST(CachedForward, ShortTextsAreExactWithCodesOfFourBits)
{
    const DecoderModel model = randomLlama(9, 3, at::kFloat);
    EXPECT_LT(errorAgainstWhole(model, 5, KvFormat::Int4), 1e-5);
    EXPECT_LT(errorAgainstWhole(randomLlama(9, 3, at::kDouble), 5, KvFormat::Int4), 1e-10);
}

TEST(CachedForward, CodesOfFourBitsWorkUnderASlidingWindow)
{
    for (const std::int64_t window : {1, 13, 100, 200, 500}) {
        for (const std::int64_t chunk : {5, 100}) {
            DecoderModel model = randomLlama(6, 2, at::kFloat);
            model.config.slidingWindow = window;
            const double error = errorOfFormat(model, chunk, KvFormat::Int4, 180);
            // What a window of at most a block sees is kept in full.
            const double bound =
                window <= 64 && chunk <= 64
                    ? 1e-6
                    : kStepsOfFourBits * errorOfFormat(model, chunk, KvFormat::Int8, 180);
            EXPECT_LT(error, bound) << window << " " << chunk;
        }
    }
}

TEST(CachedForward, KeepsBf16OfAModelInFp32)
{
    const DecoderModel model = randomLlama(4, 2, at::kFloat);
    const double error = errorAgainstWhole(model, 7, KvFormat::BFloat16);
    EXPECT_LT(error, 2e-2);
    EXPECT_GT(error, 1e-5) << "it is not kept in bf16";
    EXPECT_EQ(KvCache(model, KvFormat::BFloat16).bytesFor(1000),
              KvCache(model, KvFormat::Model).bytesFor(1000) / 2.0);
}

// What a CUDA graph captures must not depend on the host's idea of the position.
TEST(CachedForward, DecodesAtAPositionThatOnlyTheDeviceKnows)
{
    for (const std::int64_t window : {0, 1, 13}) {
        DecoderModel model = randomLlama(6, 2, at::kFloat);
        model.config.slidingWindow = window;
        const Ids ids = randomIds(41, model.config.vocabularySize, 3);
        for (const KvFormat format : {KvFormat::Model, KvFormat::BFloat16, KvFormat::Int8}) {
            CachedForward usual(model, 7, format), fixed(model, 7, format);
            usual.prefill(firstOf(ids, 9), 41);
            fixed.prefill(firstOf(ids, 9), 41);
            const at::Tensor position = at::zeros({1}, at::kLong);
            for (std::int64_t i = 9; i < 41; ++i) {
                const TokenId id = ids[static_cast<std::size_t>(i)];
                position.fill_(i);
                const at::Tensor logits = fixed.decodeAt(idRow({id}), position);
                fixed.cache().append({&id, 1});
                EXPECT_TRUE(at::equal(logits, usual.decode(id))) << window << " " << i;
            }
        }
    }
}

TEST(CachedForward, ReadingAWholeTextIsReadingItsChunks)
{
    const DecoderModel model = randomLlama(8, 2, at::kDouble);
    const Ids ids = randomIds(200, 61, 3);
    const at::Tensor whole = forwardHidden(model, idRow(ids), {});
    CachedForward cached(model, 64);
    cached.prefill(firstOf(ids, 20), 20);
    EXPECT_LT(relativeError(cached.readWhole(ids), whole), 1e-10);
    EXPECT_LT(relativeError(cached.readWhole(ids), whole), 1e-10);
}

TEST(CachedForward, CodesOfFourBitsTakeAThirdOfBf16AndALittleForTheNewest)
{
    DecoderModel model = randomLlama(4, 2, at::kBFloat16);
    model.config.headDim = 128;
    const KvMemory four = KvCache(model, KvFormat::Int4).memory();
    const KvMemory full = KvCache(model, KvFormat::Model).memory();
    EXPECT_DOUBLE_EQ(four.bytesPerToken / full.bytesPerToken, 80.0 / 256.0);
    EXPECT_DOUBLE_EQ(four.fixedBytes, 128.0 * full.bytesPerToken);
}

TEST(CachedForward, CodesOfEightBitsTakeHalfTheMemoryOfBf16)
{
    const DecoderModel model = randomLlama(4, 2, at::kBFloat16);
    const auto headDim = static_cast<double>(model.config.headDim);
    const double share = KvCache(model, KvFormat::Int8).bytesFor(1000) /
                         KvCache(model, KvFormat::Model).bytesFor(1000);
    EXPECT_DOUBLE_EQ(share, (headDim + 4.0) / (2.0 * headDim));
}

INSTANTIATE_TEST_SUITE_P(HeadsAndChunks, CachedForwardOf,
                         testing::Values(Case{4, 4, 1}, Case{4, 4, 3}, Case{4, 4, 16},
                                         Case{4, 4, 29}, Case{4, 4, 0}, Case{8, 2, 1},
                                         Case{8, 2, 7}, Case{8, 2, 28}, Case{9, 3, 5},
                                         Case{9, 3, 64}, Case{5, 1, 2}, Case{5, 1, 14}));

TEST(CachedForward, EqualsOnePassInEveryFamily)
{
    const std::filesystem::path models = std::filesystem::path(LONGLORA_GOLDEN_DIR) / "models";
    for (const char* name : {"mistral-gqa", "qwen2", "qwen3", "gpt-neox"}) {
        for (const std::int64_t chunk : {1, 11, 64}) {
            EXPECT_LT(
                errorAgainstWhole(loadBaseModel(models / name, {at::kCPU, at::kDouble}), chunk),
                1e-10)
                << name << " " << chunk;
        }
        EXPECT_LT(errorAgainstWhole(loadBaseModel(models / name, {at::kCPU, at::kFloat}), 7), 1e-5)
            << name;
    }
}

TEST(CachedForward, EqualsOnePassUnderASlidingWindow)
{
    for (const std::int64_t window : {1, 2, 13, 29, 40, 41, 100}) {
        for (const std::int64_t chunk : {1, 5, 16, 64}) {
            DecoderModel exact = randomLlama(6, 2, at::kDouble);
            exact.config.slidingWindow = window;
            EXPECT_LT(errorAgainstWhole(exact, chunk), 1e-10) << window << " " << chunk;
            DecoderModel single = randomLlama(6, 2, at::kFloat);
            single.config.slidingWindow = window;
            EXPECT_LT(errorAgainstWhole(single, chunk), 1e-5) << window << " " << chunk;
        }
    }
}

TEST(CachedForward, DynamicScalingUsesTheFrequenciesOfTheWholeLength)
{
    RopeScaling rope;
    rope.kind = RopeKind::Dynamic;
    rope.factor = 2.0;
    rope.originalMaxPositionEmbeddings = 16;
    const DecoderModel model = randomLlama(4, 2, at::kDouble, rope);
    const Ids ids = randomIds(40, 61, 5);
    const at::Tensor whole = forwardLogits(model, idRow(ids), {}).squeeze(0);
    CachedForward cached(model, 9);
    EXPECT_LT(relativeError(cached.prefill(firstOf(ids, 39), 40), whole[38]), 1e-10);
    EXPECT_LT(relativeError(cached.decode(ids[39]), whole[39]), 1e-10);

    // Another length has other frequencies: nothing of the cache may be used again.
    const Ids shorter = firstOf(ids, 30);
    const at::Tensor other = forwardLogits(model, idRow(shorter), {}).squeeze(0);
    EXPECT_LT(relativeError(cached.prefill(shorter, 30), other[29]), 1e-10);
    EXPECT_EQ(cached.reusedTokens(), 0);

    // Up to the original context there is one set of frequencies for all lengths.
    cached.prefill(firstOf(ids, 10), 16);
    cached.prefill(firstOf(ids, 12), 14);
    EXPECT_EQ(cached.reusedTokens(), 10);
}

TEST(CachedForward, ReadsOnlyWhatThePreviousTextDidNotBeginWith)
{
    const DecoderModel model = randomLlama(8, 2, at::kDouble);
    const Ids first = randomIds(60, 61, 11);
    Ids second = firstOf(first, 25);
    const Ids tail = randomIds(30, 61, 12);
    second.insert(second.end(), tail.begin(), tail.end());
    second[25] = (first[25] + 1) % 61; // the texts part exactly here
    CachedForward cached(model, 8);
    cached.prefill(first, 60);
    EXPECT_EQ(cached.reusedTokens(), 0);

    const at::Tensor logits = cached.prefill(second, 55);
    EXPECT_EQ(cached.reusedTokens(), 25);
    EXPECT_EQ(cached.cache().ids(), second);
    CachedForward fresh(model, 8);
    EXPECT_LT(relativeError(logits, fresh.prefill(second, 55)), 1e-10);

    // At least the last token is read: its logits are what the caller wants.
    EXPECT_LT(relativeError(cached.prefill(second, 55), logits), 1e-10);
    EXPECT_EQ(cached.reusedTokens(), 54);
    const Ids beginning = firstOf(second, 20);
    EXPECT_LT(relativeError(cached.prefill(beginning, 20), fresh.prefill(beginning, 20)), 1e-10);
    EXPECT_EQ(cached.reusedTokens(), 19);
}

TEST(CachedForward, DecodedTokensBelongToTheNextPromptsBeginning)
{
    const DecoderModel model = randomLlama(4, 2, at::kDouble);
    const Ids ids = randomIds(30, 61, 13);
    CachedForward cached(model);
    cached.prefill(firstOf(ids, 20), 25);
    for (std::size_t i = 20; i < 25; ++i) {
        cached.decode(ids[i]);
    }
    const at::Tensor logits = cached.prefill(ids, 30);
    EXPECT_EQ(cached.reusedTokens(), 25);
    const at::Tensor whole = forwardLogits(model, idRow(ids), {}).squeeze(0);
    EXPECT_LT(relativeError(logits, whole[29]), 1e-10);
}

TEST(CachedForward, GrowingKeepsWhatIsHeld)
{
    const DecoderModel model = randomLlama(4, 2, at::kDouble);
    const Ids ids = randomIds(700, 61, 17);
    CachedForward cached(model, 100);
    cached.prefill(firstOf(ids, 200), 200);
    const std::int64_t before = cached.cache().capacity();
    const at::Tensor logits = cached.prefill(ids, 700);
    EXPECT_GT(cached.cache().capacity(), before);
    EXPECT_EQ(cached.reusedTokens(), 200);
    const at::Tensor whole = forwardLogits(model, idRow(ids), {}).squeeze(0);
    EXPECT_LT(relativeError(logits, whole[699]), 1e-10);
    // 3 layers, keys and values, 2 kv heads of 8 in fp64.
    EXPECT_DOUBLE_EQ(cached.cache().bytes(),
                     static_cast<double>(cached.cache().capacity()) * 3 * 2 * 2 * 8 * 8);
}

TEST(CachedForward, AnotherRotaryEmbeddingForgetsTheCache)
{
    DecoderModel model = randomLlama(4, 2, at::kDouble);
    const Ids ids = randomIds(20, 61, 19);
    CachedForward cached(model);
    cached.prefill(ids, 20);
    model.config.rope.kind = RopeKind::Linear;
    model.config.rope.factor = 4.0;
    const at::Tensor logits = cached.prefill(ids, 20);
    EXPECT_EQ(cached.reusedTokens(), 0);
    const at::Tensor whole = forwardLogits(model, idRow(ids), {}).squeeze(0);
    EXPECT_LT(relativeError(logits, whole[19]), 1e-10);
}

TEST(CachedForward, TellsProgressBeforeTheFirstChunkAndAfterEach)
{
    const DecoderModel model = randomLlama(4, 2, at::kFloat);
    const Ids ids = randomIds(20, 61, 23);
    CachedForward cached(model, 8);
    std::vector<std::int64_t> done;
    const ProgressCallback note = [&](const Progress& progress) {
        EXPECT_EQ(progress.total, std::ssize(ids));
        EXPECT_EQ(progress.unit, "tokens");
        done.push_back(progress.done);
        return true;
    };
    cached.prefill(ids, 20, note);
    EXPECT_EQ(done, (std::vector<std::int64_t>{0, 8, 16, 20}));
    done.clear();
    cached.prefill(ids, 20, note);
    EXPECT_EQ(done, (std::vector<std::int64_t>{19, 20}));
}

TEST(CachedForward, CancelsWithinOneChunkAndGoesOnFromThere)
{
    const DecoderModel model = randomLlama(8, 2, at::kDouble);
    const Ids ids = randomIds(50, 61, 29);
    CachedForward cached(model, 8);
    const ProgressCallback stop = [](const Progress& progress) { return progress.done < 24; };
    EXPECT_THROW(cached.prefill(ids, 50, stop), Cancelled);
    EXPECT_EQ(cached.cache().length(), 24);
    const at::Tensor logits = cached.prefill(ids, 50);
    EXPECT_EQ(cached.reusedTokens(), 24);
    const at::Tensor whole = forwardLogits(model, idRow(ids), {}).squeeze(0);
    EXPECT_LT(relativeError(logits, whole[49]), 1e-10);
}

TEST(CachedForward, RefusesACacheThatDoesNotFit)
{
    const DecoderModel model = randomLlama(4, 2, at::kFloat);
    const Ids ids = randomIds(5, 61, 31);
    CachedForward cached(model);
    cached.prefill(ids, 5);
    try {
        cached.prefill(ids, std::int64_t{1} << 40);
        FAIL() << "a cache of 384 TiB was promised";
    } catch (const DeviceError& error) {
        EXPECT_NE(std::string(error.what()).find("1,099,511,627,776 tokens"), std::string::npos)
            << error.what();
        EXPECT_FALSE(error.hint().empty());
    }
    EXPECT_NO_THROW(cached.prefill(ids, 6)); // and goes on working
}

TEST(CachedForward, NamesTheIdThatIsOutsideTheVocabulary)
{
    const DecoderModel model = randomLlama(4, 2, at::kFloat);
    EXPECT_NO_THROW(requireInVocabulary(Ids{0, 60}, model));
    for (const TokenId bad : {61, -1}) {
        try {
            requireInVocabulary(Ids{3, 4, bad}, model);
            FAIL() << bad << " was accepted";
        } catch (const DataError& error) {
            const std::string message = error.what();
            EXPECT_NE(message.find(std::to_string(bad)), std::string::npos) << message;
            EXPECT_NE(message.find("position 2"), std::string::npos) << message;
        }
    }
}

} // namespace
} // namespace longlora
