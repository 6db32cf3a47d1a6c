// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/safetensors.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/error.h"
#include "tests/engine/safetensors_text.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <optional>
#include <stdexcept>

namespace longlora {
namespace {

using test::golden;
using test::TemporaryFolder;

std::size_t fileCount(const std::filesystem::path& folder)
{
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(Safetensors, ReadsWhatTheReferenceWrote)
{
    const auto file = SafetensorsFile::open(golden("models/llama-mha/model.safetensors"));
    EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
    EXPECT_EQ(file.entries().size(), 2U * 9 + 3);
    const auto& entry = file.entries().at("model.layers.0.mlp.down_proj.weight");
    EXPECT_EQ(entry.dtype, at::kFloat);
    EXPECT_EQ(entry.sizes, (std::vector<std::int64_t>{64, 144}));
    const at::Tensor norm = file.tensor("model.norm.weight");
    EXPECT_EQ(norm.sizes(), at::IntArrayRef({64}));
    EXPECT_THROW(file.tensor("model.norm"), FormatError);
}

TEST(Safetensors, WritesTheReferencesFilesByteForByte)
{
    const TemporaryFolder folder;
    for (const std::string name :
         {"adapters/gqa-plain/adapter_model.safetensors", "models/llama-linear/model.safetensors",
          "logits/llama-mha.safetensors"}) {
        const auto file = SafetensorsFile::open(golden(name));
        std::map<std::string, at::Tensor> tensors;
        for (const auto& [key, entry] : file.entries()) {
            tensors[key] = file.tensor(key);
        }
        writeSafetensors(folder.path() / "copy", tensors, file.metadata());
        EXPECT_TRUE(test::readBytes(folder.path() / "copy") == test::readBytes(golden(name)))
            << name;
    }
}

TEST(Safetensors, KeepsEveryDtypeShapeAndValue)
{
    const TemporaryFolder folder;
    const at::Tensor numbers = at::arange(24, at::kDouble).reshape({2, 3, 4}) - 12;
    std::map<std::string, at::Tensor> tensors;
    for (const auto dtype : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt,
                             at::kShort, at::kChar}) {
        tensors[c10::toString(dtype)] = numbers.to(dtype);
    }
    tensors["byte"] = at::arange(5, at::kByte); // an odd length before narrower numbers
    tensors["bool"] = at::arange(3).remainder(2).to(at::kBool);
    tensors["scalar"] = at::full({}, 0.5, at::kDouble);
    tensors["empty"] = at::empty({3, 0, 2}, at::kFloat);
    tensors["transposed"] = numbers.transpose(0, 2);
    const auto path = folder.path() / "all.safetensors";
    writeSafetensors(path, tensors, {});

    const auto file = SafetensorsFile::open(path);
    EXPECT_TRUE(file.metadata().empty());
    ASSERT_EQ(file.entries().size(), tensors.size());
    for (const auto& [name, expected] : tensors) {
        const at::Tensor actual = file.tensor(name);
        EXPECT_EQ(actual.scalar_type(), expected.scalar_type()) << name;
        EXPECT_TRUE(at::equal(actual, expected)) << name;
        EXPECT_EQ(file.entries().at(name).offset % c10::elementSize(expected.scalar_type()), 0U);
    }
}

TEST(Safetensors, ReadsTensorsAtOddOffsets)
{
    const TemporaryFolder folder;
    const auto path = folder.path() / "odd.safetensors";
    const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                               R"("b":{"dtype":"F64","shape":[2],"data_offsets":[1,17]}})";
    const double values[2] = {1.5, -3.25};
    std::string data(17, '\7');
    std::memcpy(data.data() + 1, values, sizeof values);
    for (const std::string padding : {"", " ", "   "}) {
        test::writeBytes(path, test::safetensorsBytes(header + padding, data));
        const auto file = SafetensorsFile::open(path);
        EXPECT_EQ(file.tensor("a").item<std::int64_t>(), 7);
        EXPECT_TRUE(at::equal(file.tensor("b"), at::tensor({1.5, -3.25}, at::kDouble)));
    }
}

TEST(Safetensors, TensorsOutliveFileObjectAndName)
{
    const TemporaryFolder folder;
    const auto path = folder.path() / "gone.safetensors";
    const at::Tensor values = at::arange(100'000, at::kFloat);
    writeSafetensors(path, {{"a", values}});
    at::Tensor first, second;
    {
        const auto file = SafetensorsFile::open(path);
        first = file.tensor("a");
        second = file.tensor("a");
    }
    std::filesystem::remove(path);
    first = at::Tensor(); // lets go of the pages, which the other view must get back
    EXPECT_TRUE(at::equal(second, values));
}

TEST(Safetensors, PagesOfATensorAreGivenBackAfterUse)
{
    constexpr std::int64_t kBytes = 64 << 20;
    const TemporaryFolder folder;
    const auto path = folder.path() / "large.safetensors";
    writeSafetensors(path, {{"a", at::ones({kBytes}, at::kByte)}});
    const auto file = SafetensorsFile::open(path);
    const double before = memoryInUse(at::kCPU);
    at::Tensor view = file.tensor("a");
    EXPECT_EQ(view.sum().item<std::int64_t>(), kBytes);
    const double during = memoryInUse(at::kCPU);
    view = at::Tensor();
    EXPECT_GT(during - before, 0.9 * kBytes);
    EXPECT_LT(memoryInUse(at::kCPU) - before, 0.1 * kBytes);
}

TEST(Safetensors, FileWithoutTensorsIsSound)
{
    const TemporaryFolder folder;
    writeSafetensors(folder.path() / "none", {});
    EXPECT_TRUE(SafetensorsFile::open(folder.path() / "none").entries().empty());
}

TEST(SafetensorsWriter, MoreThanTheDiskHoldsIsRefusedBeforeTheFirstByte)
{
    const TemporaryFolder folder;
    try {
        SafetensorsWriter writer(folder.path() / "huge",
                                 {{"a", at::kFloat, {std::int64_t{1} << 30, 1 << 20}}}, {});
        FAIL() << "was accepted";
    } catch (const DataError& error) {
        EXPECT_NE(std::string(error.what()).find("Not enough space"), std::string::npos)
            << error.what();
    }
    EXPECT_EQ(fileCount(folder.path()), 0U);
}

/// Makes writes beyond `bytes` of any file fail, as a full disk does.
class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes)
    {
        m_handler = std::signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &m_before);
        const rlimit limit{bytes, m_before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit()
    {
        setrlimit(RLIMIT_FSIZE, &m_before);
        std::signal(SIGXFSZ, m_handler);
    }

private:
    rlimit m_before{};
    void (*m_handler)(int) = nullptr;
};

TEST(SafetensorsWriter, FailureInTheMiddleLeavesTheOldFile)
{
    const TemporaryFolder folder;
    const auto path = folder.path() / "model.safetensors";
    writeSafetensors(path, {{"old", at::arange(3, at::kFloat)}});
    const std::string before = test::readBytes(path);
    {
        const FileSizeLimit limit(10'000);
        EXPECT_THROW(writeSafetensors(path, {{"new", at::arange(100'000, at::kFloat)}}), DataError);
    }
    EXPECT_EQ(test::readBytes(path), before);
    EXPECT_EQ(fileCount(folder.path()), 1U);
}

TEST(SafetensorsWriter, UnfinishedFileDisappears)
{
    const TemporaryFolder folder;
    {
        SafetensorsWriter writer(folder.path() / "part",
                                 {{"a", at::kFloat, {2}}, {"b", at::kFloat, {2}}}, {});
        writer.write("a", at::ones({2}));
        EXPECT_THROW(writer.finish(), std::logic_error);
    }
    EXPECT_EQ(fileCount(folder.path()), 0U);
}

TEST(SafetensorsWriter, TakesOnlyWhatWasAnnounced)
{
    const TemporaryFolder folder;
    SafetensorsWriter writer(folder.path() / "f", {{"a", at::kFloat, {2}}}, {});
    EXPECT_THROW(writer.write("b", at::ones({2})), std::logic_error);
    EXPECT_THROW(writer.write("a", at::ones({3})), std::logic_error);
    EXPECT_THROW(writer.write("a", at::ones({2}, at::kHalf)), std::logic_error);
    writer.write("a", at::ones({2}));
    EXPECT_THROW(writer.write("a", at::ones({2})), std::logic_error);
    writer.finish();
    EXPECT_TRUE(at::equal(SafetensorsFile::open(folder.path() / "f").tensor("a"), at::ones({2})));
}

TEST(SafetensorsWriter, FolderThatCannotBeWrittenIsNamed)
{
    const TemporaryFolder folder;
    EXPECT_THROW(writeSafetensors(folder.path() / "no" / "such" / "f", {}), DataError);
    test::writeBytes(folder.path() / "file", "");
    EXPECT_THROW(writeSafetensors(folder.path() / "file" / "f", {}), DataError);
}

} // namespace
} // namespace longlora
