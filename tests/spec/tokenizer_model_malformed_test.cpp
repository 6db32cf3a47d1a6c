// SPDX-License-Identifier: GPL-3.0-or-later
// Each tokenizer.model breaks one rule and must be refused, before sentencepiece sees a byte, with
// its name and the reason.
#include "core/spec/base/error.h"
#include "core/spec/text/tokenizer.h"
#include "tests/spec/model_proto.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <ctime>
#include <functional>
#include <limits>
#include <ostream>

namespace longlora {
namespace {

using namespace test;

struct MalformedModel {
    std::string name;
    std::string bytes;
    std::string reason; ///< must stand in the message
};

void PrintTo(const MalformedModel& item, std::ostream* stream)
{
    *stream << item.name;
}

/// A small sound model in which `spoil` changes something.
std::string spoiled(const std::function<void(ModelProto&)>& spoil)
{
    ModelProto model;
    spoil(model);
    return model.bytes();
}

std::string withoutNormalizer()
{
    const ModelProto model;
    const std::string bytes = model.bytes();
    return bytes.substr(0, bytes.size() - bytesField(3, model.normalizer).size());
}

std::string withPiece(const std::string& fields)
{
    return spoiled([&](ModelProto& model) { model.pieces.push_back(fields); });
}

std::string withTrainer(const std::string& fields)
{
    return spoiled([&](ModelProto& model) { model.trainer = fields; });
}

std::string withCharsmap(const std::string& map)
{
    return spoiled([&](ModelProto& model) { model.normalizer += bytesField(2, map); });
}

std::string withUnit(std::size_t place, std::uint32_t value)
{
    std::vector<std::uint32_t> units = goodUnits();
    units[place] = value;
    return withCharsmap(charsmap(units, std::string("a\0", 2)));
}

/// A sound character map whose first four bytes, the size of its array, are these.
std::string withArrayOf(const std::string& size)
{
    return withCharsmap(size + charsmap(goodUnits(), std::string("a\0", 2)).substr(4));
}

std::vector<MalformedModel> malformedFiles()
{
    const std::string sound = ModelProto().bytes();
    return {
        {"Empty", "", "it is empty"},
        {"Text", "this is not a model\n", "offset 1: a field has a wire type"},
        {"Json", R"({"version": "1.0", "model": {"type": "BPE"}})",
         "offset 1: a field has a wire type"},
        {"Zeros", std::string(1000, '\0'), "offset 1: a field has a number"},
        {"Ones", std::string(1000, '\xFF'), "longer than 64 bits"},
        {"Pickle", std::string("\x80\x02}q\0.", 6), "offset"},
        {"EndsInAPiece", sound.substr(0, 1000), "beyond the end"},
        {"EndsInANumber", sound + "\x80", "ends within a number"},
        {"EndsBeforeTheSettings", withoutNormalizer(), "ends too early"},
        {"FieldBeyondTheEnd", sound + "\x0A\x7F", "beyond the end"},
        {"FieldOf16ExaBytes", sound + "\x0A" + varint(~std::uint64_t{0}), "beyond the end"},
        {"NumberOf65Bits", sound + "\x08" + std::string(9, '\xFF') + "\x02", "longer than 64 bits"},
        {"FieldNumberZero", sound + std::string("\x02\x00", 2), "a number that protobuf"},
        {"Group", sound + "\x0B\x0C", "a wire type that is not used"},
        {"PieceIsANumber", sound + varintField(1, 7), "another type than in sentencepiece's"},
        {"SettingsTwice", sound + bytesField(2, varintField(3, 2)), "stands there twice"},
        {"NoPieces", bytesField(2, varintField(3, 2) + varintField(35, 1)) + bytesField(3, ""),
         "unknown pieces"},
        {"PieceWithoutText", withPiece(floatField(2, 0) + varintField(3, 1)),
         "piece 266: is empty"},
        {"EmptyPiece", withPiece(piece("", 0, 1)), "piece 266: is empty"},
        {"PieceOver4KB", withPiece(piece(std::string(4097, 'x'), 0, 1)), "has 4097 bytes"},
        {"PieceOf1MB", withPiece(piece(std::string(1 << 20, 'x'), 0, 1)), "has 1048576 bytes"},
        {"UserDefinedOf1MB", withPiece(piece(std::string(1 << 20, 'x'), 0, 4)),
         "has 1048576 bytes"},
        {"UserDefinedZeroByte", withPiece(piece(std::string("a\0b", 3), 0, 4)),
         "a user-defined symbol with a zero byte"},
        {"PieceTwice", withPiece(piece("ab", 0, 1)), "\"ab\" stands there twice"},
        {"PieceNotUtf8", withPiece(piece("\xFF", 0, 1)), "piece 266: is not UTF-8"},
        {"ScoreIsNan", withPiece(piece("x", std::numeric_limits<float>::quiet_NaN(), 1)),
         "not finite"},
        {"ScoreIsInfinite", withPiece(piece("x", std::numeric_limits<float>::infinity(), 1)),
         "not finite"},
        {"UnknownTypeOfPiece", withPiece(piece("x", 0, 7)), "unknown type 7"},
        {"TypeBeyond32Bits", withPiece(piece("x", 0, (1ULL << 32) + 1)), "unknown type"},
        {"ByteOfNoDigits", withPiece(piece("<0xGG>", 0, 6)), "names none"},
        {"BytePieceMissing",
         spoiled([](ModelProto& model) { model.pieces.erase(model.pieces.begin() + 10); }),
         "255 byte pieces"},
        {"NoUnknownPiece",
         spoiled([](ModelProto& model) { model.pieces.erase(model.pieces.begin()); }),
         "0 unknown pieces"},
        {"TwoUnknownPieces", withPiece(piece("<unk2>", 0, 2)), "2 unknown pieces"},
        {"ControlPieceOfOneCharacter", withPiece(piece("z", 0, 3)), "single character"},
        {"Unigram", withTrainer(varintField(3, 1) + varintField(35, 1)), "a unigram model"},
        {"Word", withTrainer(varintField(3, 3) + varintField(35, 1)), "a word model"},
        {"Character", withTrainer(varintField(3, 4) + varintField(35, 1)), "a character model"},
        {"NoKnownKind", withTrainer(varintField(3, 99) + varintField(35, 1)), "no known model"},
        {"NoByteFallback", withTrainer(varintField(3, 2)), "no byte fallback"},
        {"SpaceAsSuffix", withTrainer(varintField(3, 2) + varintField(35, 1) + varintField(24, 1)),
         "white space as a suffix"},
        {"SelfTestOf2MB", spoiled([](ModelProto& model) {
             const std::string sample = bytesField(1, std::string(2U << 20, 'x'));
             model.rest = bytesField(4, bytesField(1, sample));
         }),
         "self-test"},
        {"CharsmapOf3Bytes", withCharsmap("abc"), "too short"},
        {"CharsmapOver1MB", withCharsmap(std::string((1U << 20) + 1, 'x')), "1 MB"},
        {"CharsmapWithoutArray", withArrayOf(std::string(4, '\0')), "1,024"},
        {"CharsmapArrayOfOddSize", withArrayOf(std::string("\x01\x04\0\0", 4)), "1,024"},
        {"CharsmapArrayBeyondItsEnd", withArrayOf(std::string("\0\x08\0\0", 4)), "beyond its end"},
        {"CharsmapArrayOf4GB", withArrayOf(std::string("\0\xFC\xFF\xFF", 4)), "beyond its end"},
        {"CharsmapTextWithoutEnd", withCharsmap(charsmap(goodUnits(), "a")), "NUL"},
        {"CharsmapRootWithoutOffset", withUnit(0, unit(0, 0, false)), "its root"},
        {"CharsmapRootWithLabel", withUnit(0, unit('x', 1, false)), "its root"},
        {"CharsmapRootWithLeaf", withUnit(0, unit(0, 1, true)), "its root"},
        {"CharsmapRootOutside", withUnit(0, unit(0, 0x10000, false)), "out of the array"},
        {"CharsmapUnitOutside", withUnit(9, unit(3, 0x1FFFFF, false)), "out of the array"},
        {"CharsmapLeafIsNoValue", withUnit(2, unit(7, 0, false)), "a leaf is no value"},
        {"CharsmapValueOutside", withUnit(2, valueUnit(2)), "behind the replacement texts"},
        {"CharsmapCircle", withUnit(1U ^ 'A', unit('A', (1U ^ 'A') ^ 1U, false)), "in a circle"},
        {"DenormalizersCharsmap", spoiled([](ModelProto& model) {
             const std::string good = charsmap(goodUnits(), std::string("a\0", 2));
             model.rest = bytesField(5, bytesField(2, good));
         }),
         "only models without one"},
    };
}

class MalformedTokenizerModel : public testing::TestWithParam<MalformedModel> {};

TEST_P(MalformedTokenizerModel, IsRefusedByNameAndReason)
{
    const TemporaryFolder folder;
    const auto file = folder.write("tokenizer.model", GetParam().bytes);
    const std::clock_t start = std::clock();
    const std::string message = messageOf<FormatError>([&] { loadTokenizer(folder.path()); });
    EXPECT_LT(std::clock() - start, CLOCKS_PER_SEC);
    EXPECT_TRUE(message.starts_with(file.string())) << message;
    EXPECT_NE(message.find(GetParam().reason), std::string::npos) << message;
    EXPECT_LT(message.size(), 600U);
}

INSTANTIATE_TEST_SUITE_P(Files, MalformedTokenizerModel, testing::ValuesIn(malformedFiles()),
                         [](const auto& item) { return item.param.name; });

TEST(MalformedTokenizerModelFile, FifoFolderAndEndlessFileAreRefusedWithoutWaiting)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "tokenizer.model";
    const auto refusal = [&] {
        return messageOf<DataError>([&] { loadTokenizer(folder.path()); });
    };
    ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
    EXPECT_NE(refusal().find("not a regular file"), std::string::npos) << refusal();
    std::filesystem::remove(file);
    std::filesystem::create_directory(file);
    EXPECT_NE(refusal().find("not a regular file"), std::string::npos) << refusal();
    std::filesystem::remove(file);
    std::filesystem::create_symlink("tokenizer.model", file);
    EXPECT_NE(refusal().find("Too many levels"), std::string::npos) << refusal();
    std::filesystem::remove(file);
    folder.write("tokenizer.model", "x");
    std::filesystem::resize_file(file, std::uintmax_t{1} << 40);
    EXPECT_NE(refusal().find("larger than the limit of 64"), std::string::npos) << refusal();
}

TEST(MalformedTokenizerModelFile, MoreThanTwoMillionPiecesAreRefused)
{
    ModelProto model;
    std::string bytes = model.bytes();
    const std::string one = bytesField(1, bytesField(1, "ab"));
    for (int i = 0; i < 2'000'000; ++i) {
        bytes += one;
    }
    const TemporaryFolder folder;
    folder.write("tokenizer.model", bytes);
    const std::string message = messageOf<FormatError>([&] { loadTokenizer(folder.path()); });
    EXPECT_NE(message.find("more than 2,000,000 pieces"), std::string::npos) << message;
}

} // namespace
} // namespace longlora
