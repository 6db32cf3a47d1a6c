// SPDX-License-Identifier: GPL-3.0-or-later
// Each file breaks one rule of the format and must be refused with its name, the place and the
// reason. The overflow sites are those of CVE-2025-53630, CVE-2026-27940, CVE-2026-33298 and of the
// later reports about padding and sizes in bytes.
#include "core/engine/checkpoint/gguf/gguf_file.h"
#include "core/engine/checkpoint/gguf/gguf_header.h"
#include "core/spec/base/error.h"
#include "tests/engine/gguf_bytes.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>
#include <ostream>

namespace longlora {
namespace {

using test::ggufArray;
using test::ggufKey;
using test::ggufText;
using test::RawGguf;
using test::RawTensor;
using test::soundGguf;
using test::u32;
using test::u64;
using Type = GgufValueType;

constexpr std::uint64_t kHuge = std::uint64_t{1} << 62;

struct MalformedCase {
    std::string name;
    std::string bytes;
    std::string reason; ///< must stand in the message
};

void PrintTo(const MalformedCase& item, std::ostream* stream)
{
    *stream << item.name;
}

std::string changed(const std::function<void(RawGguf&)>& change)
{
    RawGguf file = soundGguf();
    change(file);
    return file.bytes();
}

std::string withKey(const std::string& key)
{
    return changed([&](RawGguf& file) { file.keys.push_back(key); });
}

std::string withTensor(const RawTensor& tensor)
{
    return changed([&](RawGguf& file) { file.tensors = {tensor}; });
}

std::string withAlignment(std::uint32_t alignment)
{
    return withKey(ggufKey("general.alignment", Type::Uint32, u32(alignment)));
}

/// Two tensors of eight numbers, the second with this offset.
std::string withSecond(std::uint64_t offset, std::size_t dataBytes = 64)
{
    return changed([&](RawGguf& file) {
        file.tensors.push_back({"u", {8}, 0, offset});
        file.data.resize(dataBytes, '\1');
    });
}

/// Ends after the number of dimensions.
std::string claimingDimensions(std::uint32_t dimensions)
{
    RawGguf file = soundGguf();
    file.tensors.clear();
    file.moreTensors = 1;
    return file.header() + ggufText("t") + u32(dimensions);
}

std::vector<MalformedCase> malformedBeginnings()
{
    const std::string whole = soundGguf().bytes();
    return {
        {"EmptyFile", "", "4 bytes are missing"},
        {"EndsInTheMagic", "GGU", "1 bytes are missing"},
        {"OtherMagic", changed([](RawGguf& file) { file.magic = "GGML"; }), "no GGUF file"},
        {"ReversedMagic", changed([](RawGguf& file) { file.magic = "FUGG"; }), "no GGUF file"},
        {"OldFormat", changed([](RawGguf& file) { file.magic = "tjgg"; }), "before GGUF"},
        {"SafetensorsFile", std::string("\x10\0\0\0\0\0\0\0{}", 10), "no GGUF file"},
        {"EndsInTheVersion", whole.substr(0, 6), "2 bytes are missing"},
        {"Version0", changed([](RawGguf& file) { file.version = 0; }), "version 0"},
        {"Version1", changed([](RawGguf& file) { file.version = 1; }), "version 1 is not"},
        {"Version4", changed([](RawGguf& file) { file.version = 4; }), "version 4 is not"},
        {"BigEndian", changed([](RawGguf& file) { file.version = 0x03000000; }), "big-endian"},
        {"EndsInTheCounts", whole.substr(0, 20), "4 bytes are missing"},
        {"TooManyTensors", changed([](RawGguf& file) { file.moreTensors = 100'000; }),
         "100001 tensors"},
        {"TooManyKeys", changed([](RawGguf& file) { file.moreKeys = 100'000; }), "100001 keys"},
        {"CountOfAllOnes", changed([](RawGguf& file) { file.moreTensors = ~std::uint64_t{1}; }),
         "tensors are more"},
        {"MoreKeysThanThereAre", changed([](RawGguf& file) { file.moreKeys = 9; }), "offset"},
        {"MoreTensorsThanThereAre", changed([](RawGguf& file) { file.moreTensors = 9; }), "offset"},
    };
}

std::vector<MalformedCase> malformedKeys()
{
    return {
        {"KeyWithoutName", withKey(ggufKey("", Type::Uint8, "x")), "a key is empty"},
        {"KeyTwice", withKey(ggufKey("general.architecture", Type::Uint8, "x")), "stands twice"},
        {"KeyTooLong", withKey(ggufKey(std::string(70'000, 'k'), Type::Uint8, "x")),
         "65535 are allowed"},
        {"KeyLengthOfAllOnes", withKey(u64(~std::uint64_t{0})), "bytes, but only"},
        {"KeyLengthWraps", withKey(u64(~std::uint64_t{0} - 7)), "bytes, but only"},
        {"UnknownValueType", withKey(ggufText("k") + u32(13) + "x"), "13, which is not known"},
        {"ValueTypeOfAllOnes", withKey(ggufText("k") + u32(0xFFFFFFFF) + "x"), "is not known"},
        {"BoolOf2", withKey(ggufKey("k", Type::Bool, "\x02")), "neither true nor false"},
        {"StringLongerThanFile", withKey(ggufKey("k", Type::String, u64(kHuge))),
         "bytes, but only"},
        {"StringAboveTheLimit",
         withKey(ggufKey("k", Type::String, ggufText(std::string((64 << 20) + 1, 'x')))),
         "a string of 67108865 bytes"},
        {"ArrayOfUnknownType", withKey(ggufText("k") + u32(9) + u32(99) + u64(1)),
         "99, which is not known"},
        {"ArrayOfArrays", withKey(ggufKey("k", Type::Array, ggufArray(Type::Array, 1, ""))),
         "arrays of arrays"},
        {"ArrayLongerThanFile",
         withKey(ggufKey("k", Type::Array, ggufArray(Type::Uint8, 1'000'000, ""))), "does not fit"},
        {"ArrayBytesWrap",
         withKey(ggufKey("k", Type::Array, ggufArray(Type::Uint64, kHuge / 2 + 1, ""))),
         "does not fit"},
        {"ArrayOfStringsWraps",
         withKey(ggufKey("k", Type::Array, ggufArray(Type::String, ~std::uint64_t{0}, ""))),
         "does not fit"},
        {"ArrayAboveTheLimit",
         withKey(ggufKey("k", Type::Array,
                         ggufArray(Type::Uint8, (8 << 20) + 1, std::string((8 << 20) + 1, 'x')))),
         "are allowed in all"},
        {"AlignmentOf0", withAlignment(0), "0 is not a power of two"},
        {"AlignmentOf48", withAlignment(48), "48 is not a power of two"},
        {"AlignmentAboveTheLimit", withAlignment(1 << 21), "is not a power of two up to"},
        {"AlignmentOfAllOnes", withAlignment(0xFFFFFFFF), "is not a power of two"},
        {"AlignmentOfAnotherType", withKey(ggufKey("general.alignment", Type::Uint64, u64(32))),
         "32 bits without sign"},
        {"AlignmentInAnArray",
         withKey(ggufKey("general.alignment", Type::Array, ggufArray(Type::Uint32, 1, u32(32)))),
         "32 bits without sign"},
        {"AlignmentAsText", withKey(ggufKey("general.alignment", Type::String, ggufText("32"))),
         "32 bits without sign"},
    };
}

std::vector<MalformedCase> malformedTensors()
{
    const std::string whole = soundGguf().bytes();
    return {
        {"TensorWithoutName", withTensor({"", {8}, 0, 0}), "a tensor has no name"},
        {"TensorNameTooLong", withTensor({std::string(64, 'n'), {8}, 0, 0}), "63 are allowed"},
        {"TensorTwice", changed([](RawGguf& file) {
             file.tensors.push_back({"t", {8}, 0, 32});
         }),
         "tensor t stands twice"},
        {"NoDimensions", withTensor({"t", {}, 0, 0}), "has 0 dimensions"},
        {"FiveDimensions", withTensor({"t", {1, 1, 1, 1, 8}, 0, 0}), "has 5 dimensions"},
        {"ManyDimensions", claimingDimensions(0xFFFFFFFF), "has 4294967295 dimensions"},
        {"EmptyDimension", withTensor({"t", {8, 0}, 0, 0}), "it is empty"},
        {"NegativeDimension", withTensor({"t", {~std::uint64_t{0}}, 0, 0}), "overflows"},
        {"ShapeOverflows64Bits", withTensor({"t", {kHuge, 8}, 0, 0}), "overflows"},
        {"ShapeOverflows63Bits", withTensor({"t", {kHuge, 2}, 0, 0}), "overflows"},
        {"ShapeWrapsToSmall",
         withTensor({"t", {std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0, 0}), "overflows"},
        {"BytesOverflow", withTensor({"t", {kHuge}, 0, 0}), "too many bytes"},
        {"BytesOverflowInBlocks", withTensor({"t", {256, kHuge / 256}, 12, 0}), "truncated"},
        {"UnknownTensorType", withTensor({"t", {8}, 99, 0}), "ggml's type 99"},
        {"TensorTypeGivenUp", withTensor({"t", {32}, 4, 0}), "ggml's type 4"},
        {"TensorTypeOfAllOnes", withTensor({"t", {8}, 0xFFFFFFFF, 0}), "ggml's type 4294967295"},
        {"RowIsNoWholeBlock", withTensor({"t", {33}, 8, 0}), "not a multiple of the 32"},
        {"RowIsNoWholeSuperBlock", withTensor({"t", {128, 2}, 12, 0}), "not a multiple of the 256"},
        {"OffsetNotAligned", withTensor({"t", {8}, 0, 4}), "not at a multiple of 32"},
        {"FirstOffsetNotZero", withTensor({"t", {8}, 0, 32}), "leaves a hole after what ends at 0"},
        {"OffsetLeavesAHole", withSecond(64, 128), "leaves a hole after what ends at 32"},
        {"OffsetOverlaps", withSecond(0), "overlaps what ends at 32"},
        {"OffsetOfAllOnes", withSecond(~std::uint64_t{31}), "leaves a hole"},
        {"DataOverflows", changed([](RawGguf& file) {
             file.tensors = {
                 {"t", {kHuge / 2}, 0, 0}, {"u", {kHuge / 2}, 0, kHuge * 2}, {"v", {8}, 0, 0}};
         }),
         "overflows the size of the data"},
        {"PaddingOverflows", changed([](RawGguf& file) {
             file.tensors = {{"t", {kHuge / 2}, 0, 0}, {"u", {kHuge / 2 - 1}, 0, kHuge * 2}};
         }),
         "overflows the size of the data"},
        {"TensorLargerThanFile", withTensor({"t", {8, 1'000'000}, 0, 0}), "truncated"},
        {"LastTensorMissing", withSecond(32, 32), "inside tensor u"},
        {"EndsInsideTheData", whole.substr(0, whole.size() - 1), "inside tensor t"},
        {"EndsBeforeTheData", soundGguf().header(), "inside tensor t"},
        {"EndsInsideATensorsName", whole.substr(0, soundGguf().header().size() - 30), "offset"},
    };
}

class MalformedGguf : public ::testing::TestWithParam<MalformedCase> {};

TEST_P(MalformedGguf, IsRefusedWithItsPlaceAndReason)
{
    const MalformedCase& item = GetParam();
    try {
        readGgufHeader(MemorySource(item.bytes), "bad.gguf");
        FAIL() << "it was accepted";
    } catch (const FormatError& error) {
        const std::string message = error.describe();
        EXPECT_TRUE(message.starts_with("bad.gguf, ")) << message;
        EXPECT_NE(message.find("offset "), std::string::npos) << message;
        EXPECT_NE(message.find(item.reason), std::string::npos) << message;
    }
}

std::string caseName(const ::testing::TestParamInfo<MalformedCase>& info)
{
    return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(Beginnings, MalformedGguf, ::testing::ValuesIn(malformedBeginnings()),
                         caseName);
INSTANTIATE_TEST_SUITE_P(Keys, MalformedGguf, ::testing::ValuesIn(malformedKeys()), caseName);
INSTANTIATE_TEST_SUITE_P(Tensors, MalformedGguf, ::testing::ValuesIn(malformedTensors()), caseName);

TEST(GgufHeader, SurvivesEveryFlippedBitAndEveryLength)
{
    const std::string whole = soundGguf().bytes();
    for (std::size_t length = 0; length < whole.size(); ++length) {
        EXPECT_THROW(readGgufHeader(MemorySource(std::string_view(whole).substr(0, length)), "cut"),
                     FormatError)
            << length;
    }
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        std::string flipped = whole;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
        try {
            const GgufHeader header = readGgufHeader(MemorySource(flipped), "flipped");
            for (const GgufTensor& tensor : header.tensors) {
                EXPECT_LE(tensor.offset + tensor.bytes, flipped.size()) << bit;
            }
        } catch (const FormatError&) { // most of them
        }
    }
}

TEST(GgufFile, WhatIsNoRegularFileIsRefused)
{
    const test::TemporaryFolder folder;
    EXPECT_THROW(GgufFile::open(folder.path()), FormatError);
    EXPECT_THROW(GgufFile::open(folder.path() / "absent.gguf"), DataError);
    const auto fifo = folder.path() / "fifo.gguf";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_THROW(GgufFile::open(fifo), FormatError);
}

TEST(GgufFile, AFileThatShrinksMeanwhileIsAnErrorAndNoSignal)
{
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "model.gguf";
    test::writeRaw(path, soundGguf().bytes());
    const GgufFile file = GgufFile::open(path);
    std::filesystem::resize_file(path, 40);
    EXPECT_THROW(file.data(file.header().tensors.front()), FormatError);
}

} // namespace
} // namespace longlora
