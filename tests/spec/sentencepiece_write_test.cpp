// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/atomic_file.h"
#include "core/spec/text/sentencepiece_tokenizer.h"
#include "core/spec/text/sentencepiece_write.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

constexpr std::uintmax_t kLimit = std::uintmax_t{64} << 20;

class SentencePieceWrite : public testing::TestWithParam<const char*> {};

TEST_P(SentencePieceWrite, SaysWhatTheGateReadsAndGivesTheSameIds)
{
    const std::string file =
        std::string(LONGLORA_GOLDEN_DIR) + "/tokenizer/" + GetParam() + "/tokenizer.model";
    const std::string original = readWholeFile(file, kLimit);
    const SentencePieceModel model = readSentencePieceModel(original, file);
    const std::string written = sentencePieceModelBytes(model);
    const SentencePieceModel again = readSentencePieceModel(written, "written");
    ASSERT_EQ(again.pieces.size(), model.pieces.size());
    for (std::size_t id = 0; id < model.pieces.size(); ++id) {
        EXPECT_EQ(again.pieces[id].text, model.pieces[id].text);
        EXPECT_EQ(again.pieces[id].score, model.pieces[id].score);
        EXPECT_EQ(again.pieces[id].type, model.pieces[id].type);
    }
    EXPECT_EQ(again.addDummyPrefix, model.addDummyPrefix);
    EXPECT_EQ(again.removeExtraWhitespaces, model.removeExtraWhitespaces);
    EXPECT_EQ(again.bosPiece, model.bosPiece);
    EXPECT_EQ(again.eosPiece, model.eosPiece);
    EXPECT_EQ(again.unkPiece, model.unkPiece);

    const SentencePieceTokenizer before(original, file, {});
    const SentencePieceTokenizer after(written, "written", {});
    const std::string text = "  Two spaces, <s> caf\xC3\xA9 \xF0\x9F\x98\x80\n\tand 12345.";
    EXPECT_EQ(after.encode(text, true), before.encode(text, true));
}

INSTANTIATE_TEST_SUITE_P(Golden, SentencePieceWrite, testing::Values("tiny-spm", "mistral-v1"));

} // namespace
} // namespace longlora
