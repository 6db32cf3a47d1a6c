// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/text/charsmap_check.h"
#include "core/spec/text/sentencepiece_gate.h"
#include "core/spec/text/sentencepiece_tokenizer.h"
#include "tests/spec/model_proto.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <cmath>
#include <limits>
#include <random>

namespace longlora {
namespace {

using namespace test;

/// What the gate says about `bytes`; it must refuse, name the file and say it on one line.
std::string refusal(const std::string& bytes)
{
    const std::string message =
        messageOf<FormatError>([&] { readSentencePieceModel(bytes, "tokenizer.model"); });
    EXPECT_EQ(message.rfind("tokenizer.model", 0), 0U) << message;
    return message;
}

std::string refusal(const ModelProto& model)
{
    return refusal(model.bytes());
}

ModelProto withPiece(const std::string& fields)
{
    ModelProto model;
    model.pieces.push_back(fields);
    return model;
}

ModelProto withCharsmap(const std::string& map)
{
    ModelProto model;
    model.normalizer += bytesField(2, map);
    return model;
}

#define EXPECT_SAYS(message, part) EXPECT_NE((message).find(part), std::string::npos) << (message)

TEST(SentencePieceGate, AGoodModelPassesAndTheLibraryAgrees)
{
    const ModelProto model;
    const SentencePieceModel read = readSentencePieceModel(model.bytes(), "m");
    ASSERT_EQ(read.pieces.size(), 3U + 256U + 7U);
    EXPECT_EQ(read.pieces[0].type, PieceType::Unknown);
    EXPECT_EQ(read.pieces[3 + 0x41].text, "<0x41>");
    EXPECT_EQ(read.pieces[264].text, "abc");
    EXPECT_EQ(read.pieces[264].score, -5.0F);
    EXPECT_TRUE(read.addDummyPrefix);
    EXPECT_FALSE(read.removeExtraWhitespaces);
    EXPECT_FALSE(read.hasCharsmap);
    EXPECT_FALSE(read.hasUnusedPieces);
    const SentencePieceTokenizer tokenizer(model.bytes(), "m", {});
    EXPECT_EQ(tokenizer.encode("abc", false), (std::vector<TokenId>{259, 264}));
}

TEST(SentencePieceGate, RealModelsPass)
{
    for (const char* name : {"mistral-v1", "tiny-spm"}) {
        const std::string bytes =
            contentOf(std::string(LONGLORA_GOLDEN_DIR "/tokenizer/") + name + "/tokenizer.model");
        const SentencePieceModel model = readSentencePieceModel(bytes, name);
        sentencepiece::SentencePieceProcessor processor;
        ASSERT_TRUE(processor.LoadFromSerializedProto(bytes).ok());
        ASSERT_EQ(static_cast<int>(model.pieces.size()), processor.GetPieceSize());
        for (int id = 0; id < processor.GetPieceSize(); ++id) {
            const SentencePiece& piece = model.pieces[static_cast<std::size_t>(id)];
            ASSERT_EQ(piece.text, processor.IdToPiece(id));
            ASSERT_EQ(piece.score, processor.GetScore(id));
            ASSERT_EQ(piece.type == PieceType::Byte, processor.IsByte(id));
            ASSERT_EQ(piece.type == PieceType::Control, processor.IsControl(id));
        }
    }
}

TEST(SentencePieceGate, APieceOfNulIsAccepted)
{
    const ModelProto model = withPiece(piece(std::string(1, '\0'), -1, 1));
    const SentencePieceTokenizer tokenizer(model.bytes(), "m", {});
    EXPECT_EQ(tokenizer.encode(std::string("a\0", 2), false), (std::vector<TokenId>{265, 266}));
}

TEST(SentencePieceGate, RefusesAnEmptyFile)
{
    EXPECT_SAYS(refusal(""), "empty");
}

TEST(SentencePieceGate, RefusesAFileOver64Mb)
{
    EXPECT_SAYS(refusal(std::string((64U << 20) + 1, '\0')), "64 MB");
}

TEST(SentencePieceGate, RefusesTextAndJson)
{
    refusal("this is not a model\n");
    refusal("{\"version\": \"1.0\"}");
    refusal(std::string(1000, '\0'));
    refusal(std::string(1000, '\xFF'));
}

TEST(SentencePieceGate, RefusesEveryTruncation)
{
    const std::string bytes = ModelProto().bytes();
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_THROW(readSentencePieceModel(bytes.substr(0, size), "m"), FormatError) << size;
    }
}

TEST(SentencePieceGate, RefusesAFieldThatReachesBeyondTheEnd)
{
    EXPECT_SAYS(refusal(ModelProto().bytes() + "\x0A\x7F"), "beyond the end");
    EXPECT_SAYS(refusal("\x0A" + varint(~std::uint64_t{0})), "beyond the end");
}

TEST(SentencePieceGate, RefusesAnEndlessNumber)
{
    EXPECT_SAYS(refusal(std::string(20, '\x80')), "longer than 64 bits");
    EXPECT_SAYS(refusal("\x08" + std::string(9, '\xFF') + "\x02"), "longer than 64 bits");
}

TEST(SentencePieceGate, RefusesFieldNumberZeroAndGroups)
{
    EXPECT_SAYS(refusal(std::string("\x02\x00", 2)), "number");
    EXPECT_SAYS(refusal("\x0B\x0C"), "wire type");
}

TEST(SentencePieceGate, RefusesAKnownFieldOfAnotherType)
{
    EXPECT_SAYS(refusal(ModelProto().bytes() + varintField(1, 5)), "another type");
    EXPECT_SAYS(refusal(withPiece(bytesField(1, "x") + varintField(2, 5))), "another type");
}

TEST(SentencePieceGate, RefusesRepeatedSingleFields)
{
    ModelProto model;
    model.rest = bytesField(3, varintField(3, 1));
    EXPECT_SAYS(refusal(model), "twice");
    EXPECT_SAYS(refusal(withPiece(bytesField(1, "x") + bytesField(1, "y"))), "twice");
    ModelProto trainer;
    trainer.trainer += varintField(3, 2);
    EXPECT_SAYS(refusal(trainer), "twice");
}

TEST(SentencePieceGate, RefusesAPieceOver4Kb)
{
    EXPECT_SAYS(refusal(withPiece(piece(std::string(4097, 'x'), 0, 1))), "4,096");
    readSentencePieceModel(withPiece(piece(std::string(4096, 'x'), 0, 1)).bytes(), "m");
    refusal(withPiece(piece(std::string(1U << 20, 'x'), 0, 1))); // crashes older libraries
}

TEST(SentencePieceGate, RefusesAUserDefinedSymbolOver4Kb)
{
    EXPECT_SAYS(refusal(withPiece(piece(std::string(4097, 'x'), 0, 4))), "4,096");
}

TEST(SentencePieceGate, RefusesMoreThanTwoMillionPieces)
{
    std::string bytes;
    for (int i = 0; i < 2'000'001; ++i) {
        bytes += bytesField(1, bytesField(1, std::to_string(i)));
    }
    EXPECT_SAYS(refusal(bytes), "2,000,000");
}

TEST(SentencePieceGate, RefusesEmptyAndDoublePieces)
{
    EXPECT_SAYS(refusal(withPiece(piece("", 0, 1))), "piece 266: is empty");
    EXPECT_SAYS(refusal(withPiece("")), "is empty");
    EXPECT_SAYS(refusal(withPiece(piece("ab", 0, 1))), "twice");
    EXPECT_SAYS(refusal(withPiece(piece("<s>", 0, 1))), "twice"); // across kinds too
}

TEST(SentencePieceGate, RefusesAPieceThatIsNoUtf8)
{
    EXPECT_SAYS(refusal(withPiece(piece("\xE2\x96", 0, 1))), "UTF-8");
    EXPECT_SAYS(refusal(withPiece(piece("\xC0\x80", 0, 1))), "UTF-8");
}

TEST(SentencePieceGate, RefusesScoresThatAreNotFinite)
{
    EXPECT_SAYS(refusal(withPiece(piece("x", std::nanf(""), 1))), "finite");
    EXPECT_SAYS(refusal(withPiece(piece("x", std::numeric_limits<float>::infinity(), 1))),
                "finite");
}

TEST(SentencePieceGate, RefusesUnknownTypesOfPieces)
{
    EXPECT_SAYS(refusal(withPiece(piece("x", 0, 0))), "type 0");
    EXPECT_SAYS(refusal(withPiece(piece("x", 0, 7))), "type 7");
    EXPECT_SAYS(refusal(withPiece(piece("x", 0, (1ULL << 32) + 1))), "type");
}

TEST(SentencePieceGate, RefusesOtherKindsOfModels)
{
    for (const auto& [type, name] : {std::pair{1, "unigram"}, {3, "word"}, {4, "character"}}) {
        ModelProto model;
        model.trainer = varintField(3, static_cast<std::uint64_t>(type)) + varintField(35, 1);
        EXPECT_SAYS(refusal(model), name);
    }
    ModelProto unsaid;
    unsaid.trainer = varintField(35, 1);
    EXPECT_SAYS(refusal(unsaid), "unigram");
    ModelProto strange;
    strange.trainer = varintField(3, 99) + varintField(35, 1);
    EXPECT_SAYS(refusal(strange), "no known");
}

TEST(SentencePieceGate, RefusesModelsWithoutByteFallback)
{
    ModelProto model;
    model.trainer = varintField(3, 2);
    EXPECT_SAYS(refusal(model), "byte fallback");
}

TEST(SentencePieceGate, RefusesIncompleteOrWrongBytePieces)
{
    ModelProto missing;
    missing.pieces.erase(missing.pieces.begin() + 10);
    EXPECT_SAYS(refusal(missing), "255 byte pieces");
    EXPECT_SAYS(refusal(withPiece(piece("<0xGG>", 0, 6))), "names none");
    EXPECT_SAYS(refusal(withPiece(piece("<0xab>", 0, 6))), "names none");
    EXPECT_SAYS(refusal(withPiece(piece("byte", 0, 6))), "names none");
}

TEST(SentencePieceGate, RefusesNoOrSeveralUnknownPieces)
{
    ModelProto none;
    none.pieces.erase(none.pieces.begin());
    EXPECT_SAYS(refusal(none), "0 unknown pieces");
    EXPECT_SAYS(refusal(withPiece(piece("<unk2>", 0, 2))), "2 unknown pieces");
}

TEST(SentencePieceGate, RefusesAControlPieceThatTextsCanHold)
{
    EXPECT_SAYS(refusal(withPiece(piece("z", 0, 3))), "single character");
    EXPECT_SAYS(refusal(withPiece(piece("\xE4\xBD\xA0", 0, 3))), "single character");
    const SentencePieceTokenizer tokenizer(withPiece(piece("zz", 0, 3)).bytes(), "m", {});
    EXPECT_EQ(tokenizer.encode("zz", false).size(), 3U); // the dummy space and two bytes
}

TEST(SentencePieceGate, RefusesWhiteSpaceAsSuffix)
{
    ModelProto model;
    model.trainer += varintField(24, 1);
    EXPECT_SAYS(refusal(model), "suffix");
}

TEST(SentencePieceGate, RefusesDeeplyNestedUserDefinedSymbols)
{
    ModelProto model;
    for (std::size_t length = 1; length <= 64; ++length) {
        model.pieces.push_back(piece(std::string(length, 'z'), 0, 4));
    }
    const SentencePieceTokenizer tokenizer(model.bytes(), "m", {});
    EXPECT_EQ(tokenizer.encode(std::string(64, 'z'), false).size(), 2U);
    model.pieces.push_back(piece(std::string(65, 'z'), 0, 4)); // the library's stack has 64 places
    EXPECT_SAYS(refusal(model), "64 user-defined");
}

TEST(SentencePieceGate, RefusesHugeSelfTests)
{
    ModelProto model;
    model.rest = bytesField(4, bytesField(1, bytesField(1, std::string(2U << 20, 'x'))));
    EXPECT_SAYS(refusal(model), "self-test");
}

TEST(SentencePieceGate, LeavesUnknownFieldsAlone)
{
    ModelProto model;
    model.rest = bytesField(200, "an extension") + varintField(999, 1);
    EXPECT_EQ(readSentencePieceModel(model.bytes(), "m").pieces.size(), 266U);
}

TEST(CharsmapCheck, AGoodMapPassesAndIsUsed)
{
    const std::string map = charsmap(goodUnits(), std::string("a\0", 2));
    EXPECT_EQ(charsmapProblem(map), "");
    EXPECT_EQ(charsmapProblem(""), "");
    const ModelProto model = withCharsmap(map);
    EXPECT_TRUE(readSentencePieceModel(model.bytes(), "m").hasCharsmap);
    const SentencePieceTokenizer tokenizer(model.bytes(), "m", {});
    EXPECT_EQ(tokenizer.encode("Ab", false), tokenizer.encode("ab", false));
}

TEST(CharsmapCheck, TheMapOfTheTrainersNfkcPasses)
{
    std::vector<std::string> text;
    for (int i = 0; i < 200; ++i) {
        text.push_back("the quick brown fox jumps over line " + std::to_string(i));
    }
    std::string bytes;
    ASSERT_TRUE(sentencepiece::SentencePieceTrainer::Train(
                    "--model_type=bpe --vocab_size=320 --byte_fallback=true "
                    "--normalization_rule_name=nmt_nfkc --minloglevel=3 --num_threads=1",
                    text, &bytes)
                    .ok());
    EXPECT_TRUE(readSentencePieceModel(bytes, "m").hasCharsmap);
    const SentencePieceTokenizer tokenizer(bytes, "m", {});
    EXPECT_EQ(tokenizer.encode("\xEF\xBD\x86\xEF\xBD\x8F\xEF\xBD\x98", false), // full-width "fox"
              tokenizer.encode("fox", false));
}

TEST(CharsmapCheck, RefusesWrongSizes)
{
    const std::string good = charsmap(goodUnits(), std::string("a\0", 2));
    EXPECT_SAYS(charsmapProblem("abc"), "short");
    EXPECT_SAYS(charsmapProblem(std::string((1U << 20) + 1, 'x')), "1 MB");
    EXPECT_SAYS(charsmapProblem(std::string("\0\0\0\0", 4) + good.substr(4)), "1,024");
    EXPECT_SAYS(charsmapProblem(std::string("\x01\x04\0\0", 4) + good.substr(4)), "1,024");
    EXPECT_SAYS(charsmapProblem(std::string("\0\x08\0\0", 4) + good.substr(4)), "beyond");
    EXPECT_SAYS(charsmapProblem(std::string("\0\xFC\xFF\xFF", 4) + good.substr(4)), "beyond");
    EXPECT_SAYS(charsmapProblem(good.substr(0, 4 + 1024)), "beyond");
}

TEST(CharsmapCheck, RefusesTextsWithoutEnd)
{
    EXPECT_SAYS(charsmapProblem(charsmap(goodUnits(), "a")), "NUL");
    EXPECT_SAYS(
        charsmapProblem(charsmap(goodUnits(), std::string(5000, 'x') + std::string(1, '\0'))),
        "4 KB");
}

TEST(CharsmapCheck, RefusesABadRoot)
{
    const std::string texts("a\0", 2);
    for (const std::uint32_t root :
         {unit(0, 0, false), unit('x', 1, false), unit(0, 1, true), valueUnit(0), ~0U}) {
        std::vector<std::uint32_t> units = goodUnits();
        units[0] = root;
        EXPECT_SAYS(charsmapProblem(charsmap(units, texts)), "root");
    }
    std::vector<std::uint32_t> units = goodUnits();
    units[0] = unit(0, 0x10000, false); // loads in older libraries, crashes at the first encode
    EXPECT_SAYS(charsmapProblem(charsmap(units, texts)), "out of the array");
    EXPECT_SAYS(refusal(withCharsmap(charsmap(units, texts))), "normalizer");
}

TEST(CharsmapCheck, RefusesUnitsThatPointOutside)
{
    const std::string texts("a\0", 2);
    std::vector<std::uint32_t> units = goodUnits();
    units[9] = unit(3, 0x1FFFFF, false);
    EXPECT_SAYS(charsmapProblem(charsmap(units, texts)), "out of the array");
    units = goodUnits();
    units[9] = unit(3, 1, false) | 1U << 9; // the offset is multiplied by 256
    EXPECT_SAYS(charsmapProblem(charsmap(units, texts)), "out of the array");
}

TEST(CharsmapCheck, RefusesLeavesAndValuesThatAreNone)
{
    std::vector<std::uint32_t> units = goodUnits();
    units[2] = unit(7, 0, false);
    EXPECT_SAYS(charsmapProblem(charsmap(units, std::string("a\0", 2))), "leaf");
    units = goodUnits();
    units[2] = valueUnit(2);
    EXPECT_SAYS(charsmapProblem(charsmap(units, std::string("a\0", 2))), "value");
    units[2] = valueUnit(0x7FFFFFFF);
    EXPECT_SAYS(charsmapProblem(charsmap(units, std::string("a\0", 2))), "value");
}

TEST(CharsmapCheck, RefusesACircle)
{
    std::vector<std::uint32_t> units = goodUnits();
    units[1U ^ 'A'] = unit('A', (1U ^ 'A') ^ 1U, false); // after "A" the root's children again
    EXPECT_SAYS(charsmapProblem(charsmap(units, std::string("a\0", 2))), "circle");
}

/// A chain of `length` matches: "A", "AA", "AAA", ... Each state has a block of 256 units.
std::string chain(std::uint32_t length)
{
    std::vector<std::uint32_t> units(std::size_t{256} * (length + 2));
    for (std::uint32_t i = 0; i < units.size(); ++i) {
        units[i] = unit((i ^ 0x80U) & 0xFF, 0, false);
    }
    units[0] = unit(0, 256, false);
    for (std::uint32_t state = 1; state <= length; ++state) {
        const std::uint32_t at = state * 256 + 'A';
        units[at] = unit('A', at ^ (state + 1) * 256, true);
        units[(state + 1) * 256] = valueUnit(0);
    }
    return charsmap(units, std::string("a\0", 2));
}

TEST(CharsmapCheck, RefusesMoreMatchesOnAPathThanTheLibraryHasRoomFor)
{
    EXPECT_EQ(charsmapProblem(chain(32)), "");
    EXPECT_SAYS(charsmapProblem(chain(33)), "32 entries");
}

/// Decoded text would change behind what a stream has shown; an empty map is usual.
TEST(SentencePieceGate, RefusesADenormalizer)
{
    ModelProto model;
    model.rest = bytesField(5, bytesField(2, charsmap(goodUnits(), std::string("a\0", 2))));
    EXPECT_SAYS(refusal(model), "denormalizer");
    model.rest = bytesField(5, bytesField(2, ""));
    EXPECT_NO_THROW(readSentencePieceModel(model.bytes(), "tokenizer.model"));
}

/// What the gate lets through, the library must survive: flips bytes of a good model and uses what
/// passes. Found faults show as crashes, best under AddressSanitizer.
TEST(SentencePieceGate, TheLibrarySurvivesWhatTheGateLetsThrough)
{
    ModelProto model = withCharsmap(charsmap(goodUnits(), std::string("a\0", 2)));
    for (const char* text : {"abab", "cc", "ccab"}) {
        model.pieces.push_back(piece(text, -3, 5)); // unused: segmented again
    }
    model.pieces.push_back(piece("bc", 0, 4));
    const std::string good = model.bytes();
    std::mt19937 random(7);
    int passed = 0;
    for (int i = 0; i < 3000; ++i) {
        std::string bytes = good;
        for (auto flips = 1 + random() % 3; flips > 0; --flips) {
            bytes[random() % bytes.size()] = static_cast<char>(random());
        }
        try {
            const SentencePieceTokenizer tokenizer(bytes, "m", {});
            ++passed;
            const std::string text = "AbcababA cc\n\xE4\xBD\xA0\xFF <s>ccab";
            const std::vector<TokenId> ids = tokenizer.encode(text, true);
            EXPECT_FALSE(ids.empty());
            tokenizer.decode(ids, true);
        } catch (const FormatError&) {
        }
    }
    EXPECT_GT(passed, 100);
    EXPECT_LT(passed, 2900);
}

} // namespace
} // namespace longlora
