// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/added_tokens.h"
#include "core/spec/text/bpe/byte_alphabet.h"
#include "core/spec/text/bpe/merge_table.h"
#include "core/spec/text/bpe/pre_tokenizer.h"
#include "core/spec/text/bpe/text_normalizer.h"
#include "core/spec/text/bpe/token_decoder.h"
#include "core/spec/text/bpe/word_cache.h"
#include "core/spec/text/utf8.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace longlora {
namespace {

using Texts = std::vector<std::string>;

/// The definition, step by step.
std::vector<TokenId> mergedSlowly(std::vector<TokenId> ids,
                                  const std::map<std::pair<TokenId, TokenId>, int>& ranks)
{
    for (;;) {
        std::size_t best = 0;
        int bestRank = std::numeric_limits<int>::max();
        for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
            const auto found = ranks.find({ids[i], ids[i + 1]});
            if (found != ranks.end() && found->second < bestRank) {
                best = i;
                bestRank = found->second;
            }
        }
        if (bestRank == std::numeric_limits<int>::max()) {
            return ids;
        }
        ids[best] = 1000 + bestRank; // every merge makes a token of its own
        ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
}

TEST(MergeTable, MergesTheLowestRankFirstAtAnyLength)
{
    std::mt19937 random(1);
    MergeTable::Scratch scratch;
    for (int round = 0; round < 300; ++round) {
        std::map<std::pair<TokenId, TokenId>, int> ranks;
        MergeTable table;
        std::vector<TokenId> known = {0, 1, 2};
        for (int rank = 0; rank < 25; ++rank) {
            const TokenId left = known[random() % known.size()];
            const TokenId right = known[random() % known.size()];
            if (ranks.try_emplace({left, right}, rank).second) {
                table.add(left, right, 1000 + rank, static_cast<std::uint32_t>(rank));
                known.push_back(1000 + rank);
            }
        }
        std::vector<TokenId> ids(random() % 200);
        for (TokenId& id : ids) {
            id = static_cast<TokenId>(random() % 3);
        }
        const std::vector<TokenId> expected = mergedSlowly(ids, ranks);
        table.apply(ids, scratch);
        ASSERT_EQ(ids, expected);
    }
}

TEST(WordCache, KnowsWhatItWasTold)
{
    WordCache cache;
    std::mt19937 random(1);
    std::map<std::string, std::vector<TokenId>> told;
    for (int i = 0; i < 200'000; ++i) {
        const std::string word = std::to_string(random() % 50'000) + "word";
        const std::span<const TokenId> ids = cache.find(word);
        if (!ids.empty()) {
            ASSERT_EQ(std::vector<TokenId>(ids.begin(), ids.end()), told.at(word));
        } else {
            told[word] = {static_cast<TokenId>(told.size()), 7};
            cache.put(word, told[word]);
        }
    }
    EXPECT_TRUE(cache.find("").empty());
    cache.put(std::string(31, 'x'), std::vector<TokenId>{1});
    EXPECT_TRUE(cache.find(std::string(31, 'x')).empty());
    cache.put("nine", std::vector<TokenId>(9, 1));
    EXPECT_TRUE(cache.find("nine").empty());
}

TEST(ByteAlphabet, IsGpt2s)
{
    EXPECT_EQ(characterOfByte('A'), U'A');
    EXPECT_EQ(characterOfByte(' '), U'\u0120');
    EXPECT_EQ(characterOfByte('\n'), U'\u010A');
    EXPECT_EQ(characterOfByte(0xAD), U'\u0143');
    std::string token;
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte) {
        appendUtf8(token, characterOfByte(static_cast<unsigned char>(byte)));
        bytes += static_cast<char>(byte);
    }
    EXPECT_EQ(bytesOfToken(token), bytes);
    EXPECT_FALSE(bytesOfToken("a b"));
    EXPECT_FALSE(bytesOfToken("\xE4\xBD\xA0"));
}

TEST(TextNormalizer, ComposesCanonically)
{
    for (const auto& [text, expected] : std::vector<std::pair<std::string, std::string>>{
             {"", ""},
             {"plain", "plain"},
             {"e\u0301", "\u00E9"},
             {"cafe\u0301 e\u0301", "caf\u00E9 \u00E9"},
             {"\u00E9\u0323", "\u1EB9\u0301"},   // marks change places
             {"q\u0307\u0323", "q\u0323\u0307"}, // and stay marks
             {"\u0344", "\u0308\u0301"},         // excluded from composition
             {"\u0958", "\u0915\u093C"},
             {"\u2126\u212B", "\u03A9\u00C5"}, // singletons
             {"\u1100\u1161\u11A8", "\uAC01"}, // Hangul
             {"\uAC00\u11A8", "\uAC01"},
             {"\u0301a\u0301", "\u0301\u00E1"},
             {"a\u0305\u0301", "a\u0305\u0301"},         // blocked
             {"\uFB01", "\uFB01"},                       // only compatible
             {"a\U0001E4EC\u0334", "a\U0001E4EC\u0334"}, // of Unicode 15: not known to 9
             {"\U00011935\U00011930", "\U00011935\U00011930"}}) {
        EXPECT_EQ(composedCanonically(text), expected) << text;
    }
}

TEST(TextNormalizer, ManyMarksAreNotQuadratic)
{
    std::string text = "a";
    for (int i = 0; i < 200'000; ++i) {
        text += i % 2 == 0 ? "\u0301" : "\u0316";
    }
    const std::string composed = composedCanonically(text);
    EXPECT_EQ(composed.substr(0, 4), "\u00E1\u0316");
    EXPECT_EQ(composed.size(), text.size() - 1);
}

TEST(TextNormalizer, StepsAreAppliedInOrder)
{
    const TextNormalizer normalizer({PrependText{"_"}, ReplaceText{" ", "_"}});
    EXPECT_EQ(normalizer.normalize("a b"), "_a_b");
    EXPECT_EQ(normalizer.normalize(""), "");
    EXPECT_EQ(TextNormalizer({ReplaceText{"aa", "b"}}).normalize("aaaaa"), "bba");
}

Texts wordsOf(PreTokenizerStage stage, const std::string& text, bool isFirst = true)
{
    std::vector<PreTokenizerStage> stages;
    stages.push_back(std::move(stage));
    Texts words;
    const PreTokenizer preTokenizer(std::move(stages));
    PreTokenizer::Run run(preTokenizer, [&](std::string_view word) { words.emplace_back(word); });
    run.split(text, isFirst);
    return words;
}

Texts splitAtA(SplitBehavior behavior, bool invert)
{
    return wordsOf(LiteralSplit{"a", behavior, invert}, "abaaca");
}

TEST(PreTokenizer, BehaviorsAreThoseOfTheLibrary)
{
    EXPECT_EQ(splitAtA(SplitBehavior::Removed, false), (Texts{"b", "c"}));
    EXPECT_EQ(splitAtA(SplitBehavior::Removed, true), (Texts{"a", "a", "a", "a"}));
    EXPECT_EQ(splitAtA(SplitBehavior::Isolated, false), (Texts{"a", "b", "a", "a", "c", "a"}));
    EXPECT_EQ(splitAtA(SplitBehavior::MergedWithPrevious, false), (Texts{"a", "ba", "a", "ca"}));
    EXPECT_EQ(splitAtA(SplitBehavior::MergedWithNext, false), (Texts{"ab", "a", "ac", "a"}));
    EXPECT_EQ(splitAtA(SplitBehavior::Contiguous, false), (Texts{"a", "b", "aa", "c", "a"}));
}

TEST(PreTokenizer, DigitsStandAloneOrTogether)
{
    EXPECT_EQ(wordsOf(DigitSplit{true}, "a12\u00BDb"), (Texts{"a", "1", "2", "\u00BD", "b"}));
    EXPECT_EQ(wordsOf(DigitSplit{false}, "a12\u00BDb"), (Texts{"a", "12\u00BD", "b"}));
}

TEST(PreTokenizer, MetaspaceStandsBeforeWords)
{
    using Prepend = MetaspaceSplit::Prepend;
    const auto words = [](Prepend prepend, bool splits, const std::string& text, bool isFirst) {
        return wordsOf(MetaspaceSplit{"_", prepend, splits}, text, isFirst);
    };
    EXPECT_EQ(words(Prepend::Always, true, "a  b", false), (Texts{"_a", "_", "_b"}));
    EXPECT_EQ(words(Prepend::First, true, "a b", true), (Texts{"_a", "_b"}));
    EXPECT_EQ(words(Prepend::First, true, "a b", false), (Texts{"a", "_b"}));
    EXPECT_EQ(words(Prepend::Never, false, "a b ", true), (Texts{"a_b_"}));
    EXPECT_EQ(words(Prepend::Always, false, " a", true), (Texts{"_a"}));
}

Texts partsOf(const AddedTokens& tokens, const std::string& text)
{
    Texts parts;
    tokens.split(text, [&](const AddedTokens::Part& part) {
        parts.push_back(part.id ? std::to_string(*part.id) : std::string(part.text));
    });
    return parts;
}

TEST(AddedTokens, SwallowTheSpacesTheyAskFor)
{
    AddedTokens tokens;
    tokens.add("<l>", {1, "<l>", true, true, false});
    tokens.add("<r>", {2, "<r>", true, false, true});
    tokens.add("<both>", {3, "<both>", true, true, true});
    tokens.add("<l><r>", {4, "<l><r>"});
    EXPECT_EQ(partsOf(tokens, "a \u3000<l> b<r> \n c <both> d"),
              (Texts{"a", "1", " b", "2", "c", "3", "d"}));
    EXPECT_EQ(partsOf(tokens, "x <l><r> y"), (Texts{"x ", "4", " y"}));
    EXPECT_EQ(partsOf(tokens, "<r>  <l>"), (Texts{"2", "1"}));
    EXPECT_EQ(partsOf(tokens, "<l"), (Texts{"<l"}));
    EXPECT_EQ(partsOf(tokens, ""), Texts{});
}

TEST(AddedTokens, SpacesThatAreTokensAreNotQuadratic)
{
    AddedTokens tokens;
    tokens.add(" ", {1, " ", false, true, true});
    EXPECT_EQ(partsOf(tokens, std::string(300'000, ' ')).size(), 300'000U);
}

TEST(TokenDecoder, StepsAreThoseOfTheLibrary)
{
    const auto decoded = [](std::vector<DecoderStep> steps, const Texts& tokens) {
        return TokenDecoder(std::move(steps)).decode(tokens);
    };
    EXPECT_EQ(decoded({}, {"a", "b"}), "a b");
    EXPECT_EQ(decoded({FuseTokens{}, StripTokens{" ", 1, 1}}, {"  a ", " b "}), " a  b");
    EXPECT_EQ(decoded({StripTokens{"x", 2, 9}}, {"xxxaxx", "x"}), "xa");
    EXPECT_EQ(decoded({MetaspaceToSpace{"_", true}}, {"_a_", "_b"}), "a b");
    EXPECT_EQ(decoded({MetaspaceToSpace{"_", false}}, {"_a_", "_b"}), " a  b");
    EXPECT_EQ(decoded({ReplaceText{"_", "  "}}, {"_a_"}), "  a  ");
    EXPECT_EQ(decoded({JoinBytes{}}, {"<0xE4>", "<0xBD>", "<0xA0>", "x", "<0xff>", "<0xFG>"}),
              "\u4F60x\uFFFD<0xFG>");
    EXPECT_EQ(decoded({JoinByteLevel{}}, {"\u0120a", "\u00E4\u00BD", "\u0142", "b c"}),
              " a\u4F60b c");
    EXPECT_EQ(decoded({JoinByteLevel{}}, {"\u00E4\u00BD"}), "\uFFFD");
}

TEST(Utf8, ReplacesMaximalSubparts)
{
    const auto replaced = [](std::string_view bytes) {
        std::string text;
        appendWithReplacements(text, bytes);
        return text;
    };
    EXPECT_EQ(replaced("a\xF0\x9F\x91z"), "a\uFFFDz");
    EXPECT_EQ(replaced("\xE4\xBD"), "\uFFFD");
    EXPECT_EQ(replaced("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD"); // a surrogate
    EXPECT_EQ(replaced("\xC0\xAF\xFF"), "\uFFFD\uFFFD\uFFFD");
    EXPECT_EQ(replaced("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

} // namespace
} // namespace longlora
