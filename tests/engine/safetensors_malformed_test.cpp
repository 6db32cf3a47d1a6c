// SPDX-License-Identifier: GPL-3.0-or-later
// Each file breaks one rule of the format and must be refused with its name and the reason.
#include "core/engine/checkpoint/safetensors.h"
#include "core/spec/base/error.h"
#include "tests/engine/safetensors_text.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <ATen/Tensor.h>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <ostream>
#include <random>
#include <string>

namespace longlora {
namespace {

struct MalformedCase {
    std::string name;
    std::string bytes;
    std::string reason; ///< must stand in the message
};

void PrintTo(const MalformedCase& item, std::ostream* stream)
{
    *stream << item.name;
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets)
{
    return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape +
           R"(,"data_offsets":)" + offsets + "}";
}

/// A file of one tensor "a" [2] F32, with its header replaced.
std::string withHeader(const std::string& header, std::size_t dataBytes = 8)
{
    return test::safetensorsBytes(header, std::string(dataBytes, '\1'));
}

const std::string kSound = entry("a", "F32", "[2]", "[0,8]");

std::string claimedLength(unsigned char lowest, unsigned char others)
{
    std::string bytes(8, static_cast<char>(others));
    bytes[0] = static_cast<char>(lowest);
    return bytes + "{}";
}

std::string deeplyNested()
{
    std::string header;
    for (int level = 0; level < 100'000; ++level) {
        header += R"({"a":)";
    }
    return header;
}

std::vector<MalformedCase> malformedFiles()
{
    return {
        {"EmptyFile", "", "ends inside the 8 bytes"},
        {"EndsInsideTheLength", std::string("\x10\0\0\0\0", 5), "ends inside the 8 bytes"},
        {"HeaderLongerThanFile", withHeader("{" + kSound + "}").substr(0, 30), "truncated"},
        {"HeaderAboveTheLimit", std::string("\x01\xE1\xF5\x05\0\0\0\0{}", 10), "above the limit"},
        {"LengthOfAllOnes", claimedLength(0xFF, 0xFF), "above the limit"},
        {"HeaderOfLengthZero", withHeader("", 0), "must be {"},
        {"FirstByteIsSpace", withHeader(" {" + kSound + "}"), "must be {"},
        {"FirstByteIsBracket", withHeader("[]", 0), "must be {"},
        {"ByteOrderMark", withHeader("\xEF\xBB\xBF{}", 0), "must be {"},
        {"NotJson", withHeader("{\"a\":"), "not valid JSON"},
        {"NotUtf8", withHeader("{" + entry("\xFF\xFE", "F32", "[2]", "[0,8]") + "}"),
         "not valid JSON"},
        {"TextAfterTheObject", withHeader("{" + kSound + "} x"), "not valid JSON"},
        {"TwoObjects", withHeader("{" + kSound + "}{}"), "not valid JSON"},
        {"ZeroByteHidesText", withHeader("{" + kSound + "}" + std::string("\0secret", 7)),
         "zero byte"},
        {"TensorTwice", withHeader("{" + kSound + "," + kSound + "}"), "tensor a: the name stands"},
        {"KeyTwice",
         withHeader(R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})"),
         "key dtype stands twice"},
        {"MetadataTwice", withHeader(R"({"__metadata__":{},"__metadata__":{},)" + kSound + "}"),
         "the name stands twice"},
        {"MetadataKeyTwice", withHeader(R"({"__metadata__":{"x":"1","x":"2"},)" + kSound + "}"),
         "key x stands twice"},
        {"MetadataOfNumbers", withHeader(R"({"__metadata__":{"x":1},)" + kSound + "}"),
         "a number has no place"},
        {"MetadataNested", withHeader(R"({"__metadata__":{"x":{}},)" + kSound + "}"),
         "nested too deep"},
        {"MetadataArray", withHeader(R"({"__metadata__":{"x":[]},)" + kSound + "}"),
         "an array has no place"},
        {"EightBitFloat", withHeader("{" + entry("a", "F8_E4M3", "[8]", "[0,8]") + "}"),
         "dtype F8_E4M3 is not supported"},
        {"FourBitFloat", withHeader("{" + entry("a", "F4", "[16]", "[0,8]") + "}"),
         "dtype F4 is not supported"},
        {"SixBitFloat", withHeader("{" + entry("a", "F6_E2M3", "[8]", "[0,8]") + "}"),
         "dtype F6_E2M3 is not supported"},
        {"PowersOfTwo", withHeader("{" + entry("a", "F8_E8M0", "[8]", "[0,8]") + "}"),
         "dtype F8_E8M0 is not supported"},
        {"FloatWithoutNegativeZero",
         withHeader("{" + entry("a", "F8_E4M3FNUZ", "[8]", "[0,8]") + "}"),
         "dtype F8_E4M3FNUZ is not supported"},
        {"ComplexNumbers", withHeader("{" + entry("a", "C64", "[1]", "[0,8]") + "}"),
         "dtype C64 is not supported"},
        {"UnsignedNumbers", withHeader("{" + entry("a", "U64", "[1]", "[0,8]") + "}"),
         "dtype U64 is not supported"},
        {"UnknownDtype", withHeader("{" + entry("a", "float", "[2]", "[0,8]") + "}"),
         "dtype float is not supported"},
        {"DtypeIsANumber", withHeader(R"({"a":{"dtype":4,"shape":[2],"data_offsets":[0,8]}})"),
         "a number has no place"},
        {"DtypeMissing", withHeader(R"({"a":{"shape":[2],"data_offsets":[0,8]}})"),
         "dtype is missing"},
        {"ShapeMissing", withHeader(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})"),
         "shape is missing"},
        {"OffsetsMissing", withHeader(R"({"a":{"dtype":"F32","shape":[2]}})"),
         "data_offsets is missing"},
        {"UnknownKey",
         withHeader(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"stride":[1]}})"),
         "unknown key stride"},
        {"ShapeIsAString", withHeader(R"({"a":{"dtype":"F32","shape":"2","data_offsets":[0,8]}})"),
         "shape must be an array"},
        {"ShapeIsANumber", withHeader(R"({"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})"),
         "a number has no place"},
        {"ShapeIsNull", withHeader(R"({"a":{"dtype":"F32","shape":null,"data_offsets":[0,8]}})"),
         "null has no place"},
        {"NegativeSize", withHeader("{" + entry("a", "F32", "[-2]", "[0,8]") + "}"),
         "-2 is negative"},
        {"FractionalSize", withHeader("{" + entry("a", "F32", "[2.0]", "[0,8]") + "}"),
         "2.0 is not a whole number"},
        {"SizeAbove64Bits",
         withHeader("{" + entry("a", "F32", "[18446744073709551616]", "[0,8]") + "}"),
         "not a whole number in range"},
        {"BytesOverflow",
         withHeader("{" + entry("a", "F32", "[4611686018427387904,4]", "[0,0]") + "}", 0),
         "overflows"},
        {"BytesWrapToTheRightNumber",
         withHeader("{" + entry("a", "F32", "[4611686018427387906]", "[0,8]") + "}"), "overflows"},
        {"StridesOverflowBesideZero",
         withHeader("{" + entry("a", "F32", "[0,4611686018427387904,8]", "[0,0]") + "}", 0),
         "overflows"},
        {"RankNine", withHeader("{" + entry("a", "F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]") + "}"),
         "more than 8 numbers"},
        {"NestedShape", withHeader("{" + entry("a", "F32", "[[2]]", "[0,8]") + "}"),
         "an array has no place"},
        {"ObjectInShape", withHeader("{" + entry("a", "F32", "[{}]", "[0,8]") + "}"),
         "nested too deep"},
        {"OneOffset", withHeader("{" + entry("a", "F32", "[2]", "[8]") + "}"),
         "must be two numbers"},
        {"ThreeOffsets", withHeader("{" + entry("a", "F32", "[2]", "[0,4,8]") + "}"),
         "must be two numbers"},
        {"OffsetsBackwards", withHeader("{" + entry("a", "F32", "[2]", "[8,0]") + "}"),
         "run backwards"},
        {"OffsetsLeaveTheFile", withHeader("{" + entry("a", "F32", "[4]", "[0,16]") + "}"),
         "leave the 8 bytes"},
        {"OffsetNearOverflow",
         withHeader("{" + entry("a", "F32", "[2]", "[18446744073709551608,18446744073709551615]") +
                    "}"),
         "leave the 8 bytes"},
        {"RangeUnlikeShape", withHeader("{" + entry("a", "F32", "[1]", "[0,8]") + "}"),
         "hold 8 bytes, but F32 [1] needs 4"},
        {"HoleAtTheStart", withHeader("{" + entry("a", "F32", "[1]", "[4,8]") + "}"),
         "leaves a hole after 0"},
        {"HoleBetween",
         withHeader("{" + entry("a", "F32", "[1]", "[0,4]") + "," +
                        entry("b", "F32", "[1]", "[8,12]") + "}",
                    12),
         "tensor b: begins at 8 and leaves a hole after 4"},
        {"Overlap",
         withHeader("{" + entry("a", "F32", "[2]", "[0,8]") + "," +
                        entry("b", "F32", "[2]", "[4,12]") + "}",
                    12),
         "tensor b: begins at 4 and overlaps"},
        {"SameRangeTwice", withHeader("{" + kSound + "," + entry("b", "F32", "[2]", "[0,8]") + "}"),
         "overlaps"},
        {"DataWithoutOwner", withHeader("{" + kSound + "}", 9), "1 bytes at the end"},
        {"DataWithoutTensors", withHeader("{}", 1), "1 bytes at the end"},
        {"DataTruncated", withHeader("{" + kSound + "}", 7), "truncated"},
        {"TensorIsAnArray", withHeader(R"({"a":[2]})"), "an array has no place"},
        {"TensorIsAString", withHeader(R"({"a":"F32"})"), "a string has no place"},
        {"TensorIsNull", withHeader(R"({"a":null})"), "null has no place"},
        {"TensorIsTrue", withHeader(R"({"a":true})"), "true and false have no place"},
        {"TensorIsEmpty", withHeader(R"({"a":{}})"), "dtype is missing"},
        {"DeepNesting", withHeader(deeplyNested()), "tensor a: unknown key a"},
    };
}

class MalformedSafetensors : public testing::TestWithParam<MalformedCase> {};

TEST_P(MalformedSafetensors, IsRefusedByNameAndReason)
{
    const test::TemporaryFolder folder;
    const auto file = folder.path() / "bad.safetensors";
    test::writeBytes(file, GetParam().bytes);
    try {
        SafetensorsFile::open(file);
        FAIL() << "was accepted";
    } catch (const FormatError& error) {
        const std::string message = error.what();
        EXPECT_TRUE(message.starts_with(file.string())) << message;
        EXPECT_NE(message.find(GetParam().reason), std::string::npos) << message;
        EXPECT_EQ(message.find('\n'), std::string::npos);
        EXPECT_LT(message.size(), 600U);
        EXPECT_EQ(error.exitStatus(), ExitStatus::Data);
    }
}

INSTANTIATE_TEST_SUITE_P(Files, MalformedSafetensors, testing::ValuesIn(malformedFiles()),
                         [](const auto& item) { return item.param.name; });

TEST(MalformedSafetensorsFile, FifoAndFolderAreRefusedWithoutWaiting)
{
    const test::TemporaryFolder folder;
    const auto fifo = folder.path() / "fifo.safetensors";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_THROW(SafetensorsFile::open(fifo), FormatError);
    EXPECT_THROW(SafetensorsFile::open(folder.path()), FormatError);
    EXPECT_THROW(SafetensorsFile::open("/dev/zero"), FormatError);
    EXPECT_THROW(SafetensorsFile::open(folder.path() / "absent"), DataError);
}

TEST(MalformedSafetensorsFile, BooleanThatIsNeitherIsRefusedWhenRead)
{
    const test::TemporaryFolder folder;
    const auto file = folder.path() / "bool.safetensors";
    test::writeBytes(file, test::safetensorsBytes("{" + entry("a", "BOOL", "[2]", "[0,2]") + "}",
                                                  std::string("\1\2", 2)));
    EXPECT_THROW(SafetensorsFile::open(file).tensor("a"), FormatError);
}

TEST(MalformedSafetensorsFile, RandomDamageIsRefusedOrHarmless)
{
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "damaged.safetensors";
    const std::string sound =
        test::readBytes(test::golden("models/llama-mha/model.safetensors")).substr(0, 20'000);
    const std::string text = R"(0123456789{}[]",:-.eE\unullF32BOOL)" + std::string("\0\xFF", 2);
    std::mt19937 random(7);
    int refused = 0;
    for (int round = 0; round < 600; ++round) {
        std::string damaged =
            withHeader("{" + kSound + "," + entry("b", "BOOL", "[1,2]", "[8,10]") +
                           R"(,"__metadata__":{"format":"pt"}})",
                       10);
        if (round % 10 == 0) {
            damaged = sound;
        }
        for (unsigned change = 0; change <= random() % 3; ++change) {
            damaged[random() % std::min<std::size_t>(damaged.size(), 2200)] =
                text[random() % text.size()];
        }
        test::writeBytes(path, damaged);
        try {
            const auto file = SafetensorsFile::open(path);
            for (const auto& [name, item] : file.entries()) {
                EXPECT_LE(item.offset + item.bytes, damaged.size());
                EXPECT_EQ(file.tensor(name).nbytes(), item.bytes);
            }
        } catch (const FormatError&) {
            ++refused;
        }
    }
    EXPECT_GT(refused, 300);
}

TEST(MalformedSafetensorsFile, MoreThanAMillionTensorsAreRefusedSoon)
{
    std::string header = "{";
    for (int i = 0; i <= 1'000'000; ++i) {
        header += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":{}";
    }
    const test::TemporaryFolder folder;
    const auto file = folder.path() / "many.safetensors";
    test::writeBytes(file, withHeader(header + "}", 0));
    try {
        SafetensorsFile::open(file);
        FAIL() << "was accepted";
    } catch (const FormatError& error) {
        EXPECT_NE(std::string(error.what()).find("more than 1000000 tensors"), std::string::npos)
            << error.what();
    }
}

TEST(MalformedSafetensorsFile, FileThatShrinksIsAnErrorNotASignal)
{
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "shrinking.safetensors";
    test::writeBytes(path,
                     withHeader("{" + entry("a", "U8", "[100000]", "[0,100000]") + "}", 100'000));
    const auto file = SafetensorsFile::open(path);
    EXPECT_EQ(file.tensor("a").numel(), 100'000);
    std::filesystem::resize_file(path, 1000);
    try {
        file.tensor("a");
        FAIL() << "was read";
    } catch (const FormatError& error) {
        EXPECT_NE(std::string(error.what()).find("shrank from"), std::string::npos) << error.what();
    }
}

} // namespace
} // namespace longlora
