// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/text/bpe/pattern_translation.h"
#include "core/spec/text/bpe/split_pattern.h"
#include "core/spec/text/bpe/unicode_versions.h"
#include "core/spec/text/utf8.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

using Texts = std::vector<std::string>;

Texts found(std::string_view pattern, const std::string& text)
{
    const SplitPattern split(pattern);
    SplitPattern::Finder finder(split);
    finder.start(text);
    Texts texts;
    while (const auto match = finder.next()) {
        texts.push_back(text.substr(match->begin, match->end - match->begin));
    }
    return texts;
}

constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

TEST(SplitPattern, FindsWhatOnigurumaFinds)
{
    EXPECT_EQ(found(kLlama3, "DON'T 12345  x!\n\n y"),
              (Texts{"DON", "'T", " ", "123", "45", " ", " x", "!\n\n", " y"}));
    // Caseless: the long s and the Kelvin sign.
    EXPECT_EQ(found("(?i:'s)", "'s'S'\xC5\xBF"), (Texts{"'s", "'S", "'\xC5\xBF"}));
    EXPECT_EQ(found("(?i:[k])", "kK\xE2\x84\xAA"), (Texts{"k", "K", "\xE2\x84\xAA"}));
    // Lines: '$' stands before each line feed.
    EXPECT_EQ(found(R"(\s+$)", "a \n b  \nc "), (Texts{" ", "  ", " "}));
    EXPECT_EQ(found("^.", "ab\ncd\n"), (Texts{"a", "c"}));
    EXPECT_EQ(found("a++b|a", "aab"), (Texts{"aab"}));
    EXPECT_EQ(found("(?<=a)b|(?<!a)c(?=d)", "ab c cd acd"), (Texts{"b", "c"}));
    EXPECT_EQ(found(R"([\x{41}-\u0043\x44\-\]])", "ABCD-]E"),
              (Texts{"A", "B", "C", "D", "-", "]"}));
    EXPECT_EQ(found(R"([+\-*/]|[a-]|[.-])", "+-a."), (Texts{"+", "-", "a", "."}));
    EXPECT_EQ(found(R"(\v)", "\n\v\f"), (Texts{"\v"}));
}

TEST(SplitPattern, WhiteSpaceIsThePropertyOfUnicode)
{
    // U+0085, U+00A0, U+3000 are; U+180E, U+200B and U+001C are not.
    EXPECT_EQ(found(R"(\s+)", "\xC2\x85\xC2\xA0\xE3\x80\x80").size(), 1U);
    EXPECT_EQ(found(R"(\s)", "\xE1\xA0\x8E\xE2\x80\x8B\x1C"), Texts{});
    EXPECT_EQ(found(R"(\S+)", "\xE1\xA0\x8E").size(), 1U);
    for (char32_t c = 0; c < 0x3100; ++c) {
        std::string text;
        appendUtf8(text, c);
        EXPECT_EQ(!found(R"(\s)", text).empty(), isWhiteSpace(c)) << static_cast<unsigned>(c);
    }
}

TEST(SplitPattern, CharactersOfUnicode15And16HaveTheirCategory)
{
    const auto text = [](char32_t c) {
        std::string result;
        appendUtf8(result, c);
        return result;
    };
    for (const auto& [pattern, c] :
         std::vector<std::pair<std::string_view, char32_t>>{{R"(\p{Lu})", 0x1C89},
                                                            {R"(\p{Ll})", 0x1C8A},
                                                            {R"(\p{Lu})", 0x10D50},
                                                            {R"(\p{Lm})", 0x1E030},
                                                            {R"(\p{Lo})", 0x105C0},
                                                            {R"(\p{Han})", 0x2EBF0},
                                                            {R"(\p{Han})", 0x323AF},
                                                            {R"(\p{M})", 0x0897},
                                                            {R"(\p{M})", 0x1E4EC},
                                                            {R"(\p{Nd})", 0x10D40},
                                                            {R"(\p{N})", 0x1D2C0},
                                                            {R"(\p{P})", 0x1B4E},
                                                            {R"(\p{S})", 0x1FAE8},
                                                            {R"(\p{S})", 0x2427},
                                                            {R"(\d)", 0x1CCF0},
                                                            {R"([^\p{Han}])", 0x105C0},
                                                            {R"(\P{L})", 0x1FAE8},
                                                            {R"([^\p{L}])", 0x11F50}}) {
        EXPECT_EQ(found(pattern, text(c)), Texts{text(c)}) << pattern << static_cast<unsigned>(c);
    }
    // Unicode 17 is too young for patterns, but not for digits.
    EXPECT_EQ(found(R"(\p{N})", text(0x11DE0)), Texts{});
    EXPECT_TRUE(isNumeric(0x11DE0));
    EXPECT_TRUE(isNumeric(0x10D40));
    EXPECT_TRUE(isNumeric(0xBD));
    EXPECT_FALSE(isNumeric(U'a'));
    // Whatever stands in has the same length.
    std::string all;
    for (char32_t c = 0x80; c < 0x33000; c += c == 0xD7FF ? 0x801 : 1) {
        appendUtf8(all, c);
    }
    std::string buffer;
    const std::string_view older = withOlderCharacters(all, buffer);
    EXPECT_EQ(older.data(), buffer.data());
    EXPECT_EQ(older.size(), all.size());
    EXPECT_FALSE(firstInvalidUtf8(older));
}

TEST(SplitPattern, HanIsTheScriptAlone)
{
    // U+3005 is Han; U+3001 and U+30FB are only used with it.
    EXPECT_EQ(found(R"(\p{Han}+)", "\xE4\xB8\x80\xE3\x80\x85"
                                   "\xE3\x80\x81\xE3\x83\xBB"),
              Texts{"\xE4\xB8\x80\xE3\x80\x85"});
}

TEST(SplitPattern, MatchesBeyondTheFirstWindowAreWhole)
{
    for (const std::size_t size : {1000U, 1023U, 1024U, 1025U, 4096U, 100'000U, 1'000'000U}) {
        const std::string spaces(size, ' ');
        EXPECT_EQ(found(kLlama3, spaces), Texts{spaces});
        EXPECT_EQ(found(kLlama3, spaces + "x"), (Texts{spaces.substr(1), " x"}));
        EXPECT_EQ(found(kLlama3, spaces + "\n"), Texts{spaces + "\n"});
        EXPECT_EQ(found("x", spaces + "x" + spaces + "x"), (Texts{"x", "x"}));
        EXPECT_EQ(found(R"(\s+$)", spaces), Texts{spaces});
        std::string word;
        while (word.size() < size) {
            word += "\xE4\xBD\xA0";
        }
        EXPECT_EQ(found(kLlama3, word), Texts{word});
    }
}

TEST(SplitPattern, WhatIsReadDifferentlyElsewhereIsRefused)
{
    for (const auto& [pattern, part] : std::vector<std::pair<std::string, std::string>>{
             {"a)", "closes none at offset 1"},
             {"(a", "without an end"},
             {"[a", "without an end"},
             {"[]a]", "begins with ']'"},
             {"[a[b]]", "class inside a class"},
             {"[a&&b]", "class inside a class"},
             {"[[:alpha:]]", "class inside a class"},
             {"[z-a]", "no range"},
             {R"([\s-a])", "no range"},
             {R"([\S])", "\"\\S\" inside a class"},
             {"*a", "after nothing"},
             {"a|+", "after nothing"},
             {"^*a", "after nothing"},
             {"(?=a)+b", "after nothing"},
             {"a**", "repetition of a repetition"},
             {"a{2}+", "repetition of a repetition"},
             {"a{2}?", "repetition of a repetition"},
             {"a{,3}", "without a number"},
             {"a{x}", "without a number"},
             {"a{2", "without an end"},
             {"a{99999}", "up to 1,000"},
             {"a}", "'}' after nothing"},
             {R"(\w+)", "\"\\w\""},
             {R"(a\b)", "\"\\b\""},
             {R"(\h)", "\"\\h\""},
             {R"((a)\1)", "\"\\1\""},
             {R"(\K)", "\"\\K\""},
             {R"(\p{Greek})", "the property \"Greek\""},
             {R"(\p{^L})", "the property \"^L\""},
             {R"(\pL)", "without braces"},
             {R"(\p{L)", "without braces"},
             {R"(\x{110000})", "no character"},
             {R"(\uD800)", "no character"},
             {R"(\xE9)", "no character"},
             {R"(\x{})", "without its digits"},
             {R"(\u12)", "without its digits"},
             {"a\\", "backslash at its end"},
             {"(?i)a", "group that begins with"},
             {"(?m:a)", "group that begins with"},
             {"(?<name>a)", "group that begins with"},
             {"(?(1)a)", "group that begins with"},
             {"(*UCP)a", "group that begins with"},
             {"(?i:\xC3\xA9)", "beyond ASCII"},
             {"(?i:[\xC3\xA9])", "beyond ASCII"},
             {"(?i:ss)", "also one letter"},
             {"(?i:oFf)", "also one letter"},
             {"a\xFF", "not UTF-8"},
             {"", "what is empty"},
             {"a?", "what is empty"},
             {"(?=a)", "what is empty"},
             {std::string(40, '(') + "a" + std::string(40, ')'), "deeper than 32"},
             {std::string(17 << 10, 'a'), "longer than 16 KB"},
             {"(?<=a+)b", "cannot be compiled"}}) {
        const std::string message =
            test::messageOf<DataError>([&, &text = pattern] { SplitPattern{text}; });
        EXPECT_NE(message.find(part), std::string::npos) << pattern << ": " << message;
    }
}

} // namespace
} // namespace longlora
