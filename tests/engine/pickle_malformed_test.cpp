// SPDX-License-Identifier: GPL-3.0-or-later
// Each file breaks one rule and must be refused with its name, the offset and the reason, at once.
#include "core/engine/checkpoint/pickle/torch_archive.h"
#include "core/spec/base/error.h"
#include "tests/engine/torch_archive_bytes.h"

#include <gtest/gtest.h>

#include <ctime>
#include <functional>
#include <ostream>
#include <random>
#include <string>

namespace longlora {
namespace {

using namespace test; // NOLINT: the builders make up most of this file

struct MalformedCase {
    std::string name;
    std::string bytes;
    std::string reason; ///< must stand in the message
};

void PrintTo(const MalformedCase& item, std::ostream* stream)
{
    *stream << item.name;
}

const std::string kStorage(16, '\1');

/// An archive with one storage of four floats and this pickle.
std::string withPickle(const std::string& pickle)
{
    return torchArchive(pickle, {kStorage}).bytes();
}

/// An archive with one tensor "a", its parts changed.
std::string withTensor(const std::function<void(PickledTensorParts&)>& change)
{
    PickledTensorParts parts;
    change(parts);
    return withPickle(pickleDict({{"a", pickleTensor(parts)}}));
}

std::string withStorage(const std::string& storage)
{
    return withTensor([&](auto& parts) { parts.storage = storage; });
}

std::string soundPickle()
{
    return pickleDict({{"a", pickleTensor({})}});
}

/// A sound archive, its records changed.
std::string withRecords(const std::function<void(ZipBytes&)>& change)
{
    ZipBytes archive = torchArchive(soundPickle(), {kStorage});
    change(archive);
    return archive.bytes();
}

std::string repeated(const std::string& text, std::size_t times)
{
    std::string result;
    for (std::size_t i = 0; i < times; ++i) {
        result += text;
    }
    return result;
}

const std::string kProto = "\x80\x02";
/// What a hostile file would run: os.system("...").
const std::string kSystemCall =
    kProto + pickleGlobal("os", "system") + pickleTuple({pickleText("touch /tmp/owned")}) + "R.";

std::vector<MalformedCase> hostilePickles()
{
    return {
        {"OsSystem", withPickle(kSystemCall), "asks for os.system"},
        {"PosixSystem", withPickle(kProto + pickleGlobal("posix", "system") + "."), "posix.system"},
        {"BuiltinsEval", withPickle(kProto + pickleGlobal("builtins", "eval") + "."),
         "builtins.eval"},
        {"BuiltinsGetattr", withPickle(kProto + pickleGlobal("builtins", "getattr") + "."),
         "builtins.getattr"},
        {"SubprocessByStackGlobal",
         withPickle(kProto + pickleText("subprocess") + pickleText("Popen") + "\x93."),
         "subprocess.Popen"},
        {"TorchLoadAsGlobal", withPickle(kProto + pickleGlobal("torch", "load") + "."),
         "torch.load"},
        {"OldRebuildTensor",
         withPickle(kProto + pickleGlobal("torch._utils", "_rebuild_tensor") + "."),
         "_rebuild_tensor,"},
        {"SparseTensor",
         withPickle(kProto + pickleGlobal("torch._utils", "_rebuild_sparse_tensor") + "."),
         "_rebuild_sparse_tensor"},
        {"QuantisedTensor",
         withPickle(kProto + pickleGlobal("torch._utils", "_rebuild_qtensor") + "."),
         "_rebuild_qtensor"},
        {"UntypedStorage", withStorage(pickleStorage("UntypedStorage", "0", 16)),
         "torch.UntypedStorage"},
        {"ComplexStorage", withStorage(pickleStorage("ComplexFloatStorage", "0", 2)),
         "torch.ComplexFloatStorage"},
        {"ModuleNameWithBlank",
         withPickle(kProto + pickleGlobal("collections OrderedDict", "") + "."),
         "asks for collections OrderedDict."},
        {"NameWithControlCharacters", withPickle(kProto + pickleGlobal("o\x1b[31ms", "x") + "."),
         "asks for o?[31ms.x"},
        {"GlobalWithoutEnd", withPickle(kProto + "ccollections"), "a name does not end"},
        {"GlobalOfHugeName", withPickle(kProto + "c" + std::string(200'000, 'a')),
         "a name does not end"},
        {"NewObject", withPickle(kProto + "ccollections\nOrderedDict\n)\x81."), "0x81 (NEWOBJ)"},
        {"Instance", withPickle(kProto + "(ios\nsystem\n."), "0x69 (INST)"},
        {"Object", withPickle(kProto + "(o."), "0x6f (OBJ)"},
        {"Extension", withPickle(kProto + "\x82\x01."), "0x82 (EXT1)"},
        {"PersistentIdAsText", withPickle(kProto + "P0\n."), "0x50 (PERSID)"},
        {"OldTextOpcode", withPickle(kProto + "S'a'\n."), "0x53 (STRING)"},
        {"UnknownOpcode", withPickle(kProto + "\xFF."), "opcode 0xff"},
        {"CallsAStorageClass",
         withPickle(kProto + pickleGlobal("torch", "FloatStorage") + pickleTuple({"K\xFF"}) + "R."),
         "calls the class of a storage"},
        {"CallsAText", withPickle(kProto + pickleText("system") + ")R."),
         "what is called should be a class, not a text"},
        {"OrderedDictOfSomething",
         withPickle(kProto + pickleGlobal("collections", "OrderedDict") + pickleTuple({"]"}) +
                    "R."),
         "made of something"},
        {"AttributesOfATensor", withPickle(pickleDict({{"a", pickleTensor({}) + "}b"}})),
         "whose attributes are set"},
        {"AttributesThatAreNoDict",
         withPickle(kProto + "ccollections\nOrderedDict\n)R" + pickleText("x") + "b."),
         "what is set on an object should be a dict"},
    };
}

std::vector<MalformedCase> brokenPickles()
{
    return {
        {"EmptyPickle", withPickle(""), "the pickle ends here"},
        {"TextInsteadOfAPickle", withPickle("hello"), "no pickle of protocol 2"},
        {"ProtocolNine", withPickle("\x80\x09."), "protocol 9"},
        {"NoStop", withPickle(soundPickle().substr(0, soundPickle().size() - 1)),
         "the pickle ends here"},
        {"BytesAfterStop", withPickle(soundPickle() + kSystemCall), "follow the end of the pickle"},
        {"StopOnEmptyStack", withPickle(kProto + "."), "0 values instead of one"},
        {"TwoResults", withPickle(kProto + "}}."), "2 values instead of one"},
        {"MarkLeftOpen", withPickle(kProto + "}(."), "instead of one"},
        {"TupleWithoutMark", withPickle(kProto + "t."), "a mark that was not set"},
        {"Tuple3OfTwo", withPickle(kProto + "NN\x87."), "empty stack"},
        {"PopBelowTheMark", withPickle(kProto + "N(\x85."), "empty stack"},
        {"ReduceOnEmptyStack", withPickle(kProto + "R."), "empty stack"},
        {"AppendToATuple", withPickle(kProto + ")Na."), "cannot be added to a tuple"},
        {"SetItemOfAList", withPickle(kProto + "]NNs."), "cannot be added to a list"},
        {"OddDictItems", withPickle(kProto + "}(NNNu."), "3 items cannot be added"},
        {"AppendsToNothing", withPickle(kProto + "(Ne."), "empty stack"},
        {"RecallsNothing", withPickle(kProto + "h\x07."), "recalls value 7"},
        {"RemembersNothing", withPickle(kProto + "q\x01."), "of an empty stack"},
        {"TextLongerThanThePickle", withPickle(kProto + "X" + number(1000, 4) + "abc"),
         "where 1000 more bytes should follow"},
        {"HugeText", withPickle(kProto + "X" + number(0xFFFFFFFF, 4) + "abc"),
         "a text of 4294967295 bytes is above the limit"},
        {"TextOf64BitLength", withPickle(kProto + "\x8d" + std::string(8, '\xFF')),
         "above the limit"},
        {"HugeWholeNumber", withPickle(kProto + "\x8a\x09" + std::string(9, '\1') + "."),
         "a whole number of 9 bytes"},
        {"DeepMarks", withPickle(kProto + std::string(100'000, '(')), "nested deeper than 64"},
        {"DeepTuples", withPickle(kProto + "N" + std::string(100'000, '\x85') + "."),
         "nested deeper than 64"},
        {"ListInsideItself",
         withPickle(kProto + "]q\x01" +
                    repeated("h\x01"
                             "a",
                             100) +
                    "."),
         "nested deeper than 64"},
        {"StackBomb", withPickle(kProto + std::string(2'000'000, 'N')),
         "1000000 values on the stack"},
        {"PickleAboveTheLimit", withPickle(kProto + std::string(33U << 20, 'N')),
         "above the limit of 33554432"},
        {"PersistentIdOfTwoParts", withPickle(kProto + "NN\x86Q."), "2 parts is no storage"},
        {"PersistentIdOfAModule",
         withStorage(pickleTuple({pickleText("module"), pickleGlobal("torch", "FloatStorage"),
                                  pickleText("0"), pickleText("cpu"), pickleNumber(4)}) +
                     "Q"),
         "no storage"},
        {"StorageOfAnOrderedDict",
         withStorage(pickleTuple({pickleText("storage"), pickleGlobal("collections", "OrderedDict"),
                                  pickleText("0"), pickleText("cpu"), pickleNumber(4)}) +
                     "Q"),
         "no storage"},
        {"ListInsteadOfDict", withPickle(kProto + "]."), "holds a list instead of a dict"},
        {"NumberInsteadOfDict", withPickle(kProto + "K\1."), "holds a whole number"},
        {"NestedDict", withPickle(pickleDict({{"model", "}"}})), "model is a dict, not a tensor"},
        {"NumberAmongTensors", withPickle(pickleDict({{"step", "K\5"}})),
         "step is a whole number, not a tensor"},
        {"NameIsANumber", withPickle(kProto + "}K\1" + pickleTensor({}) + "s."),
         "the name of a tensor is a whole number"},
        {"NameTwice", withPickle(pickleDict({{"a", pickleTensor({})}, {"a", pickleTensor({})}})),
         "the name a stands twice"},
    };
}

std::vector<MalformedCase> brokenTensors()
{
    return {
        {"NegativeSize", withTensor([](auto& parts) {
             parts.sizes = {-2, 2};
         }),
         "is negative"},
        {"NegativeStride", withTensor([](auto& parts) {
             parts.strides = {-2, 1};
         }),
         "is negative"},
        {"NegativeOffset", withTensor([](auto& parts) { parts.offset = -1; }),
         "leave the 4 numbers"},
        {"OffsetBehindTheStorage", withTensor([](auto& parts) { parts.offset = 5; }),
         "leave the 4 numbers"},
        {"OneElementTooFar", withTensor([](auto& parts) { parts.offset = 1; }),
         "leave the 4 numbers"},
        {"StrideLeavesTheStorage", withTensor([](auto& parts) {
             parts.strides = {3, 1};
         }),
         "leave the 4 numbers"},
        {"SizesOverflow", withTensor([](auto& parts) {
             parts.sizes = {std::int64_t{1} << 62, 8};
             parts.strides = {0, 0};
         }),
         "leave the 4 numbers"},
        {"SizesOverflowBesideZero", withTensor([](auto& parts) {
             parts.sizes = {0, std::int64_t{1} << 62, 2};
             parts.strides = {1, 1, 1};
         }),
         "leave the 4 numbers"},
        {"StrideOverflows", withTensor([](auto& parts) {
             parts.strides = {std::int64_t{1} << 62, std::int64_t{1} << 62};
             parts.sizes = {8, 8};
         }),
         "leave the 4 numbers"},
        {"RepeatedElements", withTensor([](auto& parts) {
             parts.sizes = {1'000'000, 1'000'000};
             parts.strides = {0, 0};
         }),
         "repeated elements are not read"},
        {"RankNine", withTensor([](auto& parts) {
             parts.sizes = std::vector<std::int64_t>(9, 1);
             parts.strides = parts.sizes;
         }),
         "a tensor's sizes are 9"},
        {"MoreSizesThanStrides", withTensor([](auto& parts) { parts.strides = {1}; }),
         "not as many strides as sizes"},
        {"SizesOfTexts",
         withPickle(pickleDict(
             {{"a",
               pickleGlobal("torch._utils", "_rebuild_tensor_v2") +
                   pickleTuple({pickleStorage("FloatStorage", "0", 4), "K" + std::string(1, '\0'),
                                pickleTuple({pickleText("4")}), pickleShape({1}), "\x89", "N"}) +
                   "R"}})),
         "a tensor's sizes should be a whole number, not a text"},
        {"TensorOfFiveParts",
         withPickle(pickleDict({{"a", pickleGlobal("torch._utils", "_rebuild_tensor_v2") +
                                          pickleTuple({"N", "N", "N", "N", "N"}) + "R"}})),
         "made of 5 parts"},
        {"TensorOfNoStorage", withStorage("N"), "a tensor's storage should be a storage, not None"},
        {"TensorWithHooks", withTensor([](auto& parts) { parts.hooks = "}K\1K\2s"; }),
         "hooks should be empty"},
        {"ParameterOfNoTensor",
         withPickle(pickleDict({{"a", pickleGlobal("torch._utils", "_rebuild_parameter") +
                                          pickleTuple({"N", "\x88", "N"}) + "R"}})),
         "a parameter's tensor should be a tensor"},
        {"StorageIsNotThere", withStorage(pickleStorage("FloatStorage", "7", 4)),
         "its storage 7 is not in the archive"},
        {"StorageLeadsOut", withStorage(pickleStorage("FloatStorage", "../../etc/passwd", 4)),
         "is not in the archive"},
        {"StorageIsLarger", withStorage(pickleStorage("FloatStorage", "0", 5)),
         "should hold 5 numbers of 4 bytes, but has 16 bytes"},
        {"StorageIsSmaller", withStorage(pickleStorage("FloatStorage", "0", 3)),
         "should hold 3 numbers"},
        {"StorageOfNegativeSize", withStorage(pickleStorage("FloatStorage", "0", -4)),
         "should hold -4 numbers"},
        {"StorageSizeWraps",
         withStorage(pickleStorage("FloatStorage", "0", (std::int64_t{1} << 62) + 4)),
         "should hold 4611686018427387908 numbers"},
        {"StorageOfOtherWidth", withStorage(pickleStorage("DoubleStorage", "0", 4)),
         "4 numbers of 8 bytes, but has 16"},
    };
}

std::vector<MalformedCase> brokenArchives()
{
    const std::string sound = torchArchive(soundPickle(), {kStorage}).bytes();
    const auto changed = [](std::size_t part, const std::function<void(ZipPart&)>& change) {
        return withRecords([&](ZipBytes& archive) { change(archive.parts.at(part)); });
    };
    return {
        {"EmptyFile", "", "no archive of PyTorch"},
        {"OnlyTheFirstMark", "PK\x03\x04", "ends before the end record"},
        {"Truncated", sound.substr(0, sound.size() - 1), "end record is not here"},
        {"HalfAFile", sound.substr(0, sound.size() / 2), "end record is not here"},
        {"BytesAfterTheArchive", sound + "x", "end record is not here"},
        {"BytesBeforeTheArchive", "PK\x03\x04" + sound, "64-bit end record is not where"},
        {"FirstEntryIsHidden", changed(0, [](auto& part) { part.localOffset = 30; }),
         "has no record where the directory says"},
        {"NoEntries", withRecords([](auto& archive) { archive.parts.clear(); }),
         "no archive of PyTorch"},
        {"Compressed", changed(2, [](auto& part) { part.method = 8; }),
         "entry archive/data/0 is compressed (method 8)"},
        {"Encrypted", changed(2, [](auto& part) { part.flags = 1; }), "is encrypted"},
        {"UnknownFlags", changed(2, [](auto& part) { part.flags = 0x2000; }), "unknown flags"},
        {"NameTwice", changed(3, [](auto& part) { part.name = "archive/data/0"; }),
         "stands twice in the directory"},
        {"RecordOfOtherName", changed(2, [](auto& part) { part.localName = "archive/data/1"; }),
         "described in another way"},
        {"RecordOfOtherLength", changed(2, [](auto& part) { part.localBytes = 8; }),
         "has 8 bytes by its own record, 16 by the directory"},
        {"DirectoryLiesAboutLength", changed(2, [](auto& part) { part.directoryBytes = 400; }),
         "by the directory"},
        {"EntryRunsIntoTheDirectory",
         changed(3,
                 [](auto& part) {
                     part.directoryBytes = 4000;
                     part.localBytes = 0xFFFFFFFF;
                 }),
         "of 4000 bytes runs into the directory"},
        {"EntryOf4GiB",
         changed(3,
                 [](auto& part) {
                     part.localBytes = 0xFFFFFFFF;
                     part.directoryBytes = 0xFFFFFFFF;
                 }),
         "runs into the directory"},
        {"EntryOf2To64Bytes",
         changed(3,
                 [](auto& part) {
                     part.localBytes = 0xFFFFFFFF;
                     part.directoryBytes = 0xFFFFFFFF;
                     part.extra = number(1, 2) + number(16, 2) + std::string(16, '\xFF');
                 }),
         "runs into the directory"},
        {"StoredInFewerBytes", changed(2, [](auto& part) { part.storedBytes = 8; }),
         "is stored in 8 bytes, but should have 16"},
        {"EntryBehindTheEnd", changed(2, [](auto& part) { part.localOffset = 1'000'000; }),
         "lies outside the archive"},
        {"EntryFarBehindTheEnd",
         changed(2,
                 [](auto& part) {
                     part.localOffset = 0xFFFFFFFF;
                     part.extra = number(1, 2) + number(8, 2) + std::string(8, '\xFF');
                 }),
         "lies outside the archive"},
        {"EntriesOverlap", withRecords([](auto& archive) {
             archive.parts[3] = archive.parts[2];
             archive.parts[3].name = "archive/data/1";
             archive.parts[3].localOffset = 0;
         }),
         "described in another way"},
        {"TwoEntriesOfOneRecord", changed(3, [](auto& part) { part.localOffset = 0; }),
         "described in another way"},
        {"EntryInsideAnother", withRecords([](auto& archive) {
             const ZipPart inner{"archive/data/1", "abcd"};
             ZipBytes hidden;
             hidden.parts = {inner};
             // Local record and data of `inner`, inside the data of entry 2.
             archive.parts[2].bytes = hidden.bytes().substr(0, 30 + inner.name.size() + 4);
             std::uint64_t start = 0;
             for (std::size_t i = 0; i < 2; ++i) {
                 start += 30 + archive.parts[i].name.size() + archive.parts[i].bytes.size();
             }
             archive.parts[3] = inner;
             archive.parts[3].localOffset = start + 30 + archive.parts[2].name.size();
         }),
         "overlaps the one before it"},
        {"ExtraFieldsLeaveTheirEnd",
         changed(2, [](auto& part) { part.extra = number(1, 2) + "\xFF\xFF"; }),
         "do not end where they say"},
        {"TwoWideFields",
         changed(2, [](auto& part) { part.extra = repeated(number(1, 2) + number(0, 2), 2); }),
         "two 64-bit fields"},
        {"MoreEntriesThanRecords", withRecords([](auto& archive) { archive.entryCount = 9; }),
         "no entry of the directory here"},
        {"FewerEntriesThanRecords", withRecords([](auto& archive) { archive.entryCount = 2; }),
         "follow the last of the directory's entries"},
        {"TooManyEntries", withRecords([](auto& archive) { archive.entryCount = 100'001; }),
         "100001 entries, above the limit"},
        {"DirectoryElsewhere", withRecords([](auto& archive) { archive.directoryOffset = 0; }),
         "does not end where the end records begin"},
        {"DirectoryBehindTheEnd",
         withRecords([](auto& archive) { archive.directoryOffset = ~std::uint64_t{0}; }),
         "does not end where"},
        {"DirectoryAboveTheLimit",
         withRecords([](auto& archive) { archive.directoryLength = std::uint64_t{1} << 40; }),
         "above the limit of 33554432"},
        {"DirectoryAndEndApart", withRecords([](auto& archive) { archive.afterDirectory = "xx"; }),
         "does not end where"},
        {"SeveralDisks", withRecords([](auto& archive) { archive.disk = 1; }), "several disks"},
        {"WideEndElsewhere", withRecords([](auto& archive) { archive.wideOffsetShift = 8; }),
         "not where its locator says"},
        {"WideEndMissing", withRecords([](auto& archive) {
             archive.hasWideEnd = false;
             archive.entryCount = 0xFFFF;
         }),
         "no entry of the directory here"},
    };
}

std::vector<MalformedCase> otherFiles()
{
    const auto archiveOf = [](std::vector<ZipPart> parts) {
        ZipBytes archive;
        archive.parts = std::move(parts);
        return archive.bytes();
    };
    std::string tar(600, '\0');
    tar.replace(257, 5, "ustar");
    return {
        {"LegacyPickle", "\x80\x02\x8a\x0al\xfc\x9c" + std::string(20, 'F'), "format before 1.6"},
        {"Tar", tar, "tar archive"},
        {"GitLfsPointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"},
        {"Html", "<!DOCTYPE html><html>", "no archive of PyTorch"},
        {"Safetensors", number(2, 8) + "{}", "no archive of PyTorch"},
        {"TorchScript", archiveOf({{"m/data.pkl", soundPickle()}, {"m/constants.pkl", "x"}}),
         "TorchScript program"},
        {"TorchScriptCode", archiveOf({{"m/data.pkl", soundPickle()}, {"m/code/a.py", "x"}}),
         "TorchScript program"},
        {"OtherZip", archiveOf({{"word/document.xml", "<x/>"}}), "holds no data.pkl"},
        {"TwoPickles", archiveOf({{"a/data.pkl", soundPickle()}, {"b/data.pkl", soundPickle()}}),
         "more than one data.pkl"},
        {"PickleInASubfolder", archiveOf({{"a/b/data.pkl", soundPickle()}}), "holds no data.pkl"},
        {"BigEndian", archiveOf({{"a/data.pkl", soundPickle()}, {"a/byteorder", "big"}}),
         "another byte order"},
        {"StorageOfAnotherFolder",
         archiveOf({{"a/data.pkl", soundPickle()}, {"b/data/0", kStorage}}),
         "its storage 0 is not in the archive"},
    };
}

class MalformedPickle : public testing::TestWithParam<MalformedCase> {};

TEST_P(MalformedPickle, IsRefusedByOffsetAndReasonAtOnce)
{
    const std::clock_t start = std::clock(); // of this process: others may be busy
    try {
        readTorchArchive(archiveInMemory("bad.bin", GetParam().bytes));
        FAIL() << "was accepted";
    } catch (const FormatError& error) {
        const std::string message = error.what();
        EXPECT_TRUE(message.starts_with("bad.bin, offset ")) << message;
        EXPECT_NE(error.describe().find(GetParam().reason), std::string::npos) << message;
        EXPECT_LT(message.size(), 600U);
        EXPECT_EQ(error.exitStatus(), ExitStatus::Data);
    }
    EXPECT_LT(std::clock() - start, CLOCKS_PER_SEC);
}

const auto kCaseName = [](const auto& item) { return item.param.name; };
INSTANTIATE_TEST_SUITE_P(Hostile, MalformedPickle, testing::ValuesIn(hostilePickles()), kCaseName);
INSTANTIATE_TEST_SUITE_P(Pickle, MalformedPickle, testing::ValuesIn(brokenPickles()), kCaseName);
INSTANTIATE_TEST_SUITE_P(Tensor, MalformedPickle, testing::ValuesIn(brokenTensors()), kCaseName);
INSTANTIATE_TEST_SUITE_P(Archive, MalformedPickle, testing::ValuesIn(brokenArchives()), kCaseName);
INSTANTIATE_TEST_SUITE_P(Other, MalformedPickle, testing::ValuesIn(otherFiles()), kCaseName);

TEST(MalformedPickleFile, RandomDamageIsRefusedOrHarmless)
{
    const std::string sound = torchArchive(soundPickle(), {kStorage}).bytes();
    std::mt19937 random(11);
    int refused = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string damaged = sound;
        for (unsigned change = 0; change <= random() % 3; ++change) {
            damaged[random() % damaged.size()] = static_cast<char>(random() % 256);
        }
        try {
            for (const ArchivedTensor& tensor : readTorchArchive(archiveInMemory("x", damaged))) {
                EXPECT_LE(tensor.offset + tensor.extent, damaged.size());
            }
        } catch (const FormatError&) {
            ++refused;
        }
    }
    EXPECT_GT(refused, 10'000);
}

} // namespace
} // namespace longlora
