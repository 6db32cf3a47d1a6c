// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/data/token_file.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

using test::messageOf;
using test::TemporaryFolder;

TEST(TokenFile, SmallVocabulariesAreSixteenBits)
{
    const TemporaryFolder folder;
    const auto file = folder.write("t.bin", std::string("\x01\x02\xFF\xFF", 4));
    EXPECT_EQ(readTokenFile(file, 65536), (std::vector<TokenId>{0x0201, 65535}));
}

TEST(TokenFile, LargeVocabulariesAreThirtyTwoBits)
{
    const TemporaryFolder folder;
    const auto file = folder.write("t.bin", std::string("\x00\x00\x01\x00\x03\x00\x00\x00", 8));
    EXPECT_EQ(readTokenFile(file, 65537), (std::vector<TokenId>{65536, 3}));
}

TEST(TokenFile, TheReferenceFileIsRead)
{
    EXPECT_EQ(readTokenFile(LONGLORA_GOLDEN_DIR "/perplexity/tokens.bin", 512).size(), 1501U);
}

TEST(TokenFile, WhatIsNoTokenFileIsRefused)
{
    const TemporaryFolder folder;
    const auto message = [&](std::string_view content, std::int64_t vocabulary) {
        const auto file = folder.write("t.bin", content);
        return messageOf<DataError>([&] { readTokenFile(file, vocabulary); });
    };
    EXPECT_NE(message("", 10).find("is empty"), std::string::npos);
    EXPECT_NE(message("abc", 65536).find("uint16"), std::string::npos);
    EXPECT_NE(message("abcdef", 70000).find("uint32"), std::string::npos);
    const std::string outside = message(std::string("\x01\0\x0A\0", 4), 10);
    EXPECT_NE(outside.find("offset 2: token id 10 is outside the vocabulary of 10"),
              std::string::npos)
        << outside;
    EXPECT_NE(message("\xFF\xFF\xFF\xFF", 70000).find("4294967295"), std::string::npos);
    const auto absent = folder.path() / "absent.bin";
    EXPECT_NE(messageOf<DataError>([&] { readTokenFile(absent, 10); }).find(absent.string()),
              std::string::npos);
}

} // namespace
} // namespace longlora
