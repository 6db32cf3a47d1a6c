// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/pickle/torch_archive.h"
#include "tests/engine/torch_archive_bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace longlora {
namespace {

using namespace test; // NOLINT: the builders make up most of this file

const std::string kStorage(16, '\1');
const std::string kProto = "\x80\x02";

std::string withPickle(const std::string& pickle)
{
    return torchArchive(pickle, {kStorage}).bytes();
}

TEST(TorchArchive, GivesNamesShapesAndPlaces)
{
    PickledTensorParts transposed;
    transposed.strides = {1, 2};
    PickledTensorParts row;
    row.offset = 2;
    row.sizes = {2};
    row.strides = {1};
    const std::string bytes = withPickle(pickleDict(
        {{"t", pickleTensor(transposed)},
         {"row", pickleGlobal("torch._utils", "_rebuild_parameter") +
                     pickleTuple({pickleTensor(row), "\x88", "ccollections\nOrderedDict\n)R"}) +
                     "R"}}));
    const auto tensors = readTorchArchive(archiveInMemory("x", bytes));
    ASSERT_EQ(tensors.size(), 2U);
    EXPECT_EQ(tensors[0].name, "t");
    EXPECT_EQ(tensors[0].dtype, StoredDtype::F32);
    EXPECT_EQ(tensors[0].strides, (std::vector<std::int64_t>{1, 2}));
    EXPECT_EQ(bytes.substr(tensors[0].offset, tensors[0].extent), kStorage);
    EXPECT_EQ(tensors[1].offset, tensors[0].offset + 8) << "they share a storage";
    EXPECT_EQ(tensors[1].extent, 8U);
}

TEST(TorchArchive, StateDictsMetadataAndLaterProtocolsAreRead)
{
    // OrderedDict with items and the attribute _metadata, as Module.state_dict() gives it.
    const std::string stateDict = kProto + "ccollections\nOrderedDict\n)Rq\x01(" + pickleText("a") +
                                  pickleTensor({}) + "u}" + pickleText("_metadata") +
                                  "ccollections\nOrderedDict\n)R" + "sb.";
    EXPECT_EQ(readTorchArchive(archiveInMemory("x", withPickle(stateDict))).size(), 1U);
    // Protocol 4: frames, short texts, globals from the stack, the counting memo.
    std::string modern = "\x80\x04\x95" + number(64, 8) +
                         "}\x94(\x8c\x01"
                         "a";
    modern += pickleTensor({}) + "\x94u.";
    EXPECT_EQ(readTorchArchive(archiveInMemory("x", withPickle(modern))).size(), 1U);
}

TEST(TorchArchive, EntriesBeyond32BitsAreFoundByTheirWideFields)
{
    ZipBytes archive = torchArchive(pickleDict({{"a", pickleTensor({})}}), {kStorage});
    ZipPart& part = archive.parts[2];
    part.localBytes = 0xFFFFFFFF;
    part.directoryBytes = 0xFFFFFFFF;
    part.extra = number(1, 2) + number(16, 2) + number(16, 8) + number(16, 8);
    const std::string bytes = archive.bytes();
    const auto tensors = readTorchArchive(archiveInMemory("x", bytes));
    ASSERT_EQ(tensors.size(), 1U);
    EXPECT_EQ(bytes.substr(tensors[0].offset, tensors[0].extent), kStorage);
}

TEST(TorchArchive, HugeFilesAreReadByTheirRecordsAlone)
{
    // 6 GB that do not exist: only records and the pickle may be asked for.
    constexpr std::uint64_t kHole = std::uint64_t{6} << 30;
    constexpr std::uint64_t kCount = kHole / 4;
    PickledTensorParts parts;
    parts.storage = pickleStorage("FloatStorage", "0", kCount);
    parts.sizes = {kCount};
    parts.strides = {1};
    ZipBytes archive = torchArchive(pickleDict({{"a", pickleTensor(parts)}}), {""});
    const auto offsetAfter = [&](std::size_t count) {
        std::uint64_t offset = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const ZipPart& part = archive.parts[i];
            offset += 30 + part.name.size() + part.localExtra.size() + part.bytes.size();
        }
        return offset;
    };
    archive.parts[0].localExtra = std::string(600, ' '); // the file's kind is told by its start
    const std::uint64_t hole = offsetAfter(3);
    ZipPart& storage = archive.parts[2];
    storage.localBytes = storage.directoryBytes = 0xFFFFFFFF;
    storage.extra = number(1, 2) + number(16, 2) + number(kHole, 8) + number(kHole, 8);
    ZipPart& last = archive.parts[3];
    last.localOffset = 0xFFFFFFFF;
    last.extra = number(1, 2) + number(8, 2) + number(hole + kHole, 8);
    archive.directoryOffset = offsetAfter(4) + kHole;
    archive.wideOffsetShift = kHole;
    const std::string bytes = archive.bytes();
    std::uint64_t asked = 0;
    const ArchiveBytes source{
        "huge.bin", bytes.size() + kHole, [&](std::uint64_t offset, std::uint64_t count) {
            asked += count;
            EXPECT_TRUE(offset + count <= hole || offset >= hole + kHole);
            return bytes.substr(offset < hole ? offset : offset - kHole, count);
        }};
    const auto tensors = readTorchArchive(source);
    ASSERT_EQ(tensors.size(), 1U);
    EXPECT_EQ(tensors[0].offset, hole);
    EXPECT_EQ(tensors[0].extent, kHole);
    EXPECT_LT(asked, 5000U);
}

} // namespace
} // namespace longlora
