// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/gguf_file.h"
#include "core/engine/checkpoint/gguf/gguf_inspection.h"
#include "core/engine/checkpoint/gguf/gguf_writer.h"
#include "core/spec/base/error.h"
#include "tests/engine/gguf_bytes.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

namespace longlora {
namespace {

using test::ggufArray;
using test::ggufKey;
using test::ggufText;
using test::RawGguf;
using test::u32;
using test::u64;
using Type = GgufValueType;

GgufHeader headerOf(const RawGguf& file)
{
    const std::string bytes = file.bytes();
    return readGgufHeader(MemorySource(bytes), "made.gguf");
}

GgufMetadata metadataOf(const std::string& key)
{
    RawGguf file = test::soundGguf();
    file.keys.push_back(key);
    return headerOf(file).metadata;
}

std::string floatBytes(float value)
{
    return u32(std::bit_cast<std::uint32_t>(value));
}

TEST(GgufHeader, SaysWhereTensorsLie)
{
    RawGguf file = test::soundGguf();
    file.tensors.push_back({"blocks", {64, 2}, 8, 32});
    file.data.resize(32 + 4 * 34, '\0');
    const GgufHeader header = headerOf(file);
    ASSERT_EQ(header.tensors.size(), 2U);
    const GgufTensor& blocks = header.tensors[1];
    EXPECT_EQ(blocks.name, "blocks");
    EXPECT_EQ(blocks.type, GgmlType::Q8_0);
    EXPECT_EQ(blocks.sizes, (std::vector<std::int64_t>{2, 64})); // rows first
    EXPECT_EQ(blocks.bytes, 4U * 34);
    EXPECT_EQ(blocks.offset, header.dataStart + 32);
    EXPECT_EQ(header.dataStart % 32, 0U);
    EXPECT_EQ(header.find("blocks"), &blocks);
    EXPECT_EQ(header.find("absent"), nullptr);
    EXPECT_EQ(header.bytesAtEnd(), 0U);
}

TEST(GgufHeader, Version2IsReadAsWell)
{
    RawGguf file = test::soundGguf();
    file.version = 2;
    EXPECT_EQ(headerOf(file).version, 2U);
}

TEST(GgufHeader, AnotherAlignmentIsKept)
{
    RawGguf file = test::soundGguf();
    file.keys.push_back(ggufKey("general.alignment", Type::Uint32, u32(128)));
    file.alignment = 128;
    file.tensors.push_back({"u", {4}, 0, 128});
    file.data.resize(256, '\1');
    EXPECT_EQ(headerOf(file).dataStart % 128, 0U);
}

TEST(GgufHeader, BytesBehindTheLastTensorAreCounted)
{
    RawGguf file = test::soundGguf();
    file.data += "more";
    EXPECT_EQ(headerOf(file).bytesAtEnd(), 4U);
}

TEST(GgufMetadata, KeepsEveryTypeOfValue)
{
    EXPECT_EQ(metadataOf(ggufKey("k", Type::Uint8, "\xFF")).integer("k", 0, 1000), 255);
    EXPECT_EQ(metadataOf(ggufKey("k", Type::Int8, "\xFF")).integer("k", -9, 9), -1);
    EXPECT_EQ(metadataOf(ggufKey("k", Type::Uint16, "\xFE\xFF")).integer("k", 0, 70000), 65534);
    EXPECT_EQ(metadataOf(ggufKey("k", Type::Int16, "\xFE\xFF")).integer("k", -9, 9), -2);
    EXPECT_EQ(metadataOf(ggufKey("k", Type::Int32, u32(0xFFFFFFFD))).integer("k", -9, 9), -3);
    EXPECT_EQ(metadataOf(ggufKey("k", Type::Int64, u64(~std::uint64_t{0}))).integer("k", -9, 9),
              -1);
    EXPECT_EQ(metadataOf(ggufKey("k", Type::Float64, u64(std::bit_cast<std::uint64_t>(0.1))))
                  .number("k", 0, 1),
              0.1);
    EXPECT_TRUE(metadataOf(ggufKey("k", Type::Bool, "\1")).boolean("k"));
    EXPECT_EQ(metadataOf(ggufKey("k", Type::String, ggufText("text"))).text("k"), "text");
    const std::string numbers = ggufArray(Type::Int32, 2, u32(7) + u32(0xFFFFFFFF));
    EXPECT_EQ(metadataOf(ggufKey("k", Type::Array, numbers)).integers("k"),
              (std::vector<std::int64_t>{7, -1}));
    const std::string texts = ggufArray(Type::String, 2, ggufText("a") + ggufText(""));
    EXPECT_EQ(metadataOf(ggufKey("k", Type::Array, texts)).texts("k"),
              (std::vector<std::string>{"a", ""}));
}

TEST(GgufMetadata, FloatsAreReadAsTheShortestDecimal)
{
    EXPECT_EQ(metadataOf(ggufKey("k", Type::Float32, floatBytes(1e-5F))).number("k", 0, 1), 1e-5);
}

TEST(GgufMetadata, WhatHasAnotherTypeOrRangeIsRefusedByKeyAndOffset)
{
    const GgufMetadata number = metadataOf(ggufKey("some.key", Type::Uint32, u32(7)));
    const auto messageOf = [](const auto& action) {
        try {
            action();
        } catch (const FormatError& error) {
            return error.describe();
        }
        return std::string("nothing was thrown");
    };
    const std::string range = messageOf([&] { number.integer("some.key", 0, 6); });
    EXPECT_TRUE(range.starts_with("made.gguf, key some.key, offset ")) << range;
    EXPECT_NE(range.find("7 is not between 0 and 6"), std::string::npos) << range;
    EXPECT_THROW(number.text("some.key"), FormatError);
    EXPECT_THROW(number.boolean("some.key"), FormatError);
    EXPECT_THROW(number.number("some.key", 0, 9), FormatError);
    EXPECT_THROW(number.texts("some.key"), FormatError);
    EXPECT_THROW(number.integers("some.key"), FormatError);
    EXPECT_THROW(number.numbers("some.key"), FormatError);
    EXPECT_THROW(number.integer("absent", 0, 9), FormatError);
    const GgufMetadata flag = metadataOf(ggufKey("k", Type::Bool, "\1"));
    EXPECT_THROW(flag.integer("k", 0, 9), FormatError);
    const GgufMetadata huge = metadataOf(ggufKey("k", Type::Uint64, u64(~std::uint64_t{0})));
    EXPECT_NE(messageOf([&] { huge.integer("k", -9, 9); }).find("18446744073709551615"),
              std::string::npos);
    const GgufMetadata endless =
        metadataOf(ggufKey("k", Type::Float32, floatBytes(std::bit_cast<float>(0x7FC00000U))));
    EXPECT_THROW(endless.number("k", 0, 1), FormatError);
}

TEST(GgufWriter, WritesWhatTheReaderReads)
{
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "new.gguf";
    GgufMetadata metadata;
    metadata.add("a", GgufValue::uint32(5));
    metadata.add("b", GgufValue::text("text"));
    metadata.add("c", {Type::Float32, std::vector<double>{1.5, -2.0}});
    metadata.add("d", {Type::String, std::vector<std::string>{"x", "yz"}});
    metadata.add("e", GgufValue::boolean(true));
    metadata.add("f", {Type::Int8, std::vector<std::int64_t>{-1, 3}});
    const std::vector<float> numbers = {1, 2, 3, 4, 5, 6};
    {
        GgufWriter writer(path, metadata,
                          {{"first", GgmlType::F32, {3, 2}}, {"second", GgmlType::F32, {6}}});
        writer.write(std::as_bytes(std::span(numbers).first(1))); // in pieces
        writer.write(std::as_bytes(std::span(numbers).subspan(1)));
        writer.write(std::as_bytes(std::span(numbers)));
        EXPECT_EQ(writer.finish().parent_path(), folder.path());
        EXPECT_FALSE(std::filesystem::exists(path));
        writer.commit();
    }
    const GgufFile file = GgufFile::open(path);
    const auto& entries = file.metadata().entries();
    ASSERT_EQ(entries.size(), metadata.entries().size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
        EXPECT_EQ(entries[i].first, metadata.entries()[i].first);
        EXPECT_EQ(entries[i].second.type, metadata.entries()[i].second.type);
        EXPECT_EQ(entries[i].second.data, metadata.entries()[i].second.data);
    }
    for (const char* name : {"first", "second"}) {
        const auto* const data =
            reinterpret_cast<const float*>(file.data(*file.header().find(name)));
        EXPECT_TRUE(std::equal(numbers.begin(), numbers.end(), data)) << name;
    }
    EXPECT_EQ(file.header().bytesAtEnd(), 0U);
}

TEST(GgufWriter, LeavesNothingBehindUnlessItIsCommitted)
{
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "new.gguf";
    {
        GgufWriter writer(path, GgufMetadata(), {{"t", GgmlType::F32, {1000}}});
        writer.write(std::vector<std::byte>(100));
        EXPECT_FALSE(std::filesystem::is_empty(folder.path()));
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
    test::writeRaw(path, "mine");
    EXPECT_THROW(GgufWriter(path, GgufMetadata(), {}), ConfigError);
    EXPECT_EQ(std::filesystem::file_size(path), 4U);
}

TEST(GgufWriter, RefusesWhatTheDiskHasNoRoomForBeforeTheFirstByte)
{
    const test::TemporaryFolder folder;
    const std::int64_t numbers = std::int64_t{1} << 50;
    EXPECT_THROW(
        GgufWriter(folder.path() / "new.gguf", GgufMetadata(), {{"t", GgmlType::F32, {numbers}}}),
        DataError);
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(InspectGguf, TellsKindTypesAndWhatStandsInTheWayOfAnImport)
{
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "gemma.gguf";
    RawGguf file = test::soundGguf();
    file.keys = {ggufKey("general.architecture", Type::String, ggufText("gemma3"))};
    file.data += "tail";
    test::writeRaw(path, file.bytes());
    const Inspection found = inspectGguf(path);
    const auto factOf = [&](const std::string& name) {
        for (const auto& [known, value] : found.facts) {
            if (known == name) {
                return std::get<std::string>(value);
            }
        }
        return std::string();
    };
    EXPECT_EQ(factOf("architecture"), "gemma3");
    EXPECT_EQ(factOf("tensors"), "1 F32");
    ASSERT_EQ(found.problems.size(), 2U);
    EXPECT_NE(found.problems[0].find("architecture \"gemma3\" is not supported"),
              std::string::npos);
    EXPECT_NE(found.problems[1].find("4 bytes at the end"), std::string::npos);
}

} // namespace
} // namespace longlora
