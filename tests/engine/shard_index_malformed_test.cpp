// SPDX-License-Identifier: GPL-3.0-or-later
// Each index.json, or folder around it, breaks one rule and must be refused with its name and the
// reason.
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/shard_index.h"
#include "core/spec/base/error.h"
#include "tests/engine/checkpoint_folders.h"
#include "tests/engine/safetensors_text.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <ctime>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace longlora {
namespace {

namespace fs = std::filesystem;

struct MalformedIndex {
    std::string name;
    std::string text;
    std::string reason; ///< must stand in the message
};

void PrintTo(const MalformedIndex& item, std::ostream* stream)
{
    *stream << item.name;
}

/// An index of one tensor "t" in a shard of this name, in JSON.
std::string inShard(const std::string& json)
{
    return R"({"metadata": {"total_size": 8}, "weight_map": {"t": )" + json + "}}";
}

std::string manyTensors(int tensors, int shards)
{
    std::string map;
    for (int i = 0; i < tensors; ++i) {
        map += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":\"s" + std::to_string(i % shards) +
               "\"";
    }
    return "{\"weight_map\": {" + map + "}}";
}

std::vector<MalformedIndex> malformedIndexes()
{
    const std::string bare = "key weight_map.t: must be the bare name of a file";
    return {
        {"Empty", "", "not valid JSON"},
        {"NotJson", "weight_map = {}", "line 1, column 1: not valid JSON"},
        {"Truncated", inShard("\"s\"").substr(0, 40), "not valid JSON"},
        {"TextBehind", inShard("\"s\"") + "x", "not valid JSON"},
        {"SecondObjectBehind", inShard("\"s\"") + "{}", "not valid JSON"},
        {"ZeroByteHidesText", inShard("\"s\"") + std::string("\0{}", 3), "a zero byte"},
        {"NotUtf8", inShard("\"\xFF\""), "not valid JSON"},
        {"HalfASurrogate", inShard("\"\\uD800\""), "not valid JSON"},
        {"LineBreakInAName", inShard("\"a\nb\""), "not valid JSON"},
        {"Array", "[]", "must be a JSON object, not an array"},
        {"Text", "\"weight_map\"", "must be a JSON object"},
        {"Null", "null", "must be a JSON object"},
        {"NoWeightMap", "{}", "key weight_map: missing"},
        {"WeightMapIsNull", R"({"weight_map": null})", "key weight_map: missing"},
        {"WeightMapIsArray", R"({"weight_map": ["s"]})", "key weight_map: must be an object"},
        {"WeightMapIsText", R"({"weight_map": "s"})", "key weight_map: must be an object"},
        {"WeightMapIsEmpty", R"({"weight_map": {}})", "key weight_map: names no tensor"},
        {"WeightMapTwice", R"({"weight_map": {"t": "s"}, "weight_map": {"t": "s"}})",
         "key weight_map: the key stands twice"},
        {"TensorTwice", R"({"weight_map": {"t": "s", "t": "s"}})", "key t: the key stands twice"},
        {"TensorTwiceInDifferentShards", R"({"weight_map": {"t": "s", "t": "r"}})",
         "key t: the key stands twice"},
        {"ShardIsNumber", inShard("1"), "key weight_map.t: must be a string, not 1"},
        {"ShardIsNull", inShard("null"), "key weight_map.t: missing"},
        {"ShardIsTrue", inShard("true"), "key weight_map.t: must be a string"},
        {"ShardIsArray", inShard("[\"s\", \"r\"]"), "must be a string, not an array"},
        {"ShardIsObject", inShard("{\"file\": \"s\"}"), "must be a string, not an object"},
        {"ShardWithoutName", inShard("\"\""), bare},
        {"ThisFolder", inShard("\".\""), bare},
        {"ParentFolder", inShard("\"..\""), bare},
        {"FileInParentFolder", inShard("\"../model.safetensors\""), bare},
        {"FileInSubFolder", inShard("\"a/model.safetensors\""), bare},
        {"OutAndIn", inShard("\"a/../model.safetensors\""), bare},
        {"AbsolutePath", inShard("\"/etc/passwd\""), bare},
        {"Device", inShard("\"/dev/zero\""), bare},
        {"Backslash", inShard(R"("..\\model.safetensors")"), bare},
        {"WindowsDrive", inShard(R"("C:\\model.safetensors")"), bare},
        {"ZeroCharacter", inShard(R"("model.safetensors\u0000.txt")"), bare},
        {"MoreThan10000Shards", manyTensors(10'001, 10'001), "more than 10000 shards"},
        {"MoreThan20000Tensors", manyTensors(20'001, 2), "more than 20000 keys"},
        {"LargerThan2MiB", inShard("\"" + std::string(2 << 20, 's') + "\""),
         "larger than the limit"},
        {"NestedTooDeep", R"({"metadata": {"a": {"b": {"c": {}}}}, "weight_map": {"t": "s"}})",
         "nested deeper than 4 levels"},
        {"EndlesslyNested", std::string(1'000'000, '['), "nested deeper than 4 levels"},
        {"InfiniteSize", R"({"metadata": {"total_size": 1e999}, "weight_map": {"t": "s"}})",
         "number overflow"},
        {"SizeIsNan", R"({"metadata": {"total_size": NaN}, "weight_map": {"t": "s"}})",
         "not valid JSON"},
    };
}

/// One line, soon, with the file and the reason.
void expectRefusal(const std::function<void()>& read, const std::string& file,
                   const std::string& reason)
{
    const std::clock_t start = std::clock();
    try {
        read();
        FAIL() << "was accepted";
    } catch (const Error& error) {
        const std::string message = error.describe();
        EXPECT_TRUE(message.starts_with(file)) << message;
        EXPECT_NE(message.find(reason), std::string::npos) << message;
        EXPECT_EQ(message.find('\n'), std::string::npos);
        EXPECT_LT(message.size(), 1500U);
        EXPECT_EQ(error.exitStatus(), ExitStatus::Data);
    }
    EXPECT_LT(std::clock() - start, CLOCKS_PER_SEC);
}

TEST(ShardIndex, OfAsManyTensorsAsAreAllowedIsReadSoon)
{
    const std::clock_t start = std::clock();
    EXPECT_EQ(parseShardIndex(manyTensors(20'000, 10'000), "index.json").size(), 20'000U);
    EXPECT_LT(std::clock() - start, CLOCKS_PER_SEC);
}

class MalformedShardIndex : public testing::TestWithParam<MalformedIndex> {};

TEST_P(MalformedShardIndex, IsRefusedByNameAndReason)
{
    expectRefusal([] { parseShardIndex(GetParam().text, "model.safetensors.index.json"); },
                  "model.safetensors.index.json", GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(Files, MalformedShardIndex, testing::ValuesIn(malformedIndexes()),
                         [](const auto& item) { return item.param.name; });

/// A sound sharded model in which a test spoils something.
class MalformedShards : public testing::Test {
protected:
    void SetUp() override { test::copyGolden("models/llama-gqa-llama3", m_folder.path()); }
    fs::path file(const std::string& name) const { return m_folder.path() / name; }

    void expectRefused(const fs::path& named, const std::string& reason) const
    {
        expectRefusal(
            [&] {
                loadBaseModel(m_folder.path(), {at::kCPU, at::kFloat});
            },
            named.string(), reason);
    }

    test::TemporaryFolder m_folder;
    const std::string m_third = "model-00003-of-00005.safetensors";
    const fs::path m_index = file("model.safetensors.index.json");
};

TEST_F(MalformedShards, IndexThatIsAFifoAFolderOrEndlessIsRefusedWithoutWaiting)
{
    fs::remove(m_index);
    ASSERT_EQ(::mkfifo(m_index.c_str(), 0600), 0);
    expectRefused("Cannot read " + m_index.string(), "not a regular file");
    fs::remove(m_index);
    fs::create_directory(m_index);
    expectRefused("Cannot read " + m_index.string(), "not a regular file");
    fs::remove(m_index);
    fs::create_symlink("/dev/zero", m_index);
    expectRefused("Cannot read " + m_index.string(), "not a regular file");
    fs::remove(m_index);
    test::writeBytes(m_index, "{");
    fs::resize_file(m_index, std::uintmax_t{1} << 40);
    expectRefused(m_index, "larger than the limit");
}

TEST_F(MalformedShards, ShardThatIsAFifoOrAFolderIsRefusedWithoutWaiting)
{
    fs::remove(file(m_third));
    ASSERT_EQ(::mkfifo(file(m_third).c_str(), 0600), 0);
    expectRefused(file(m_third), "not a regular file");
    fs::remove(file(m_third));
    fs::create_directory(file(m_third));
    expectRefused(file(m_third), "not a regular file");
}

TEST_F(MalformedShards, LinksThatLeaveTheFolderAreRefusedWhereverTheyLead)
{
    const test::TemporaryFolder elsewhere;
    fs::rename(file(m_third), elsewhere.path() / "blob");
    const fs::path up = fs::path("..") / elsewhere.path().filename() / "blob";
    for (const fs::path& target : {elsewhere.path() / "blob", up, fs::path("/dev/zero")}) {
        fs::remove(file(m_third));
        fs::create_symlink(target, file(m_third));
        expectRefused(m_index, "shard " + m_third + ": is a link that leaves");
    }
    // Two links, each of which looks harmless.
    fs::remove(file(m_third));
    fs::create_directory_symlink(elsewhere.path(), file("blobs"));
    fs::create_symlink("blobs/blob", file(m_third));
    expectRefused(m_index, "shard " + m_third + ": is a link that leaves");
}

TEST_F(MalformedShards, LinksThatEndNowhereAreRefused)
{
    fs::remove(file(m_third));
    fs::create_symlink("absent", file(m_third));
    expectRefused(m_index, "shard " + m_third + ": is not there");
    fs::remove(file(m_third));
    fs::create_symlink(m_third, file(m_third));
    expectRefused(m_index, "shard " + m_third + ": is not there: Too many levels");
}

TEST_F(MalformedShards, ShardThatIsTheIndexItselfIsRefused)
{
    test::editText(m_index, "\"lm_head.weight\": \"model-00005-of-00005.safetensors\"",
                   "\"lm_head.weight\": \"model.safetensors.index.json\"");
    expectRefused(m_index, "above the limit");
}

TEST_F(MalformedShards, NameLongerThanAnyFileIsRefused)
{
    test::editText(m_index, "\"lm_head.weight\": \"model-00005-of-00005.safetensors\"",
                   "\"lm_head.weight\": \"" + std::string(5000, 's') + "\"");
    expectRefused(m_index, "shard sss");
}

} // namespace
} // namespace longlora
