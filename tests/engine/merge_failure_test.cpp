// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/adapter_origin.h"
#include "core/engine/checkpoint/merge.h"
#include "core/spec/base/error.h"
#include "tests/engine/checkpoint_folders.h"
#include "tests/engine/safetensors_text.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <limits>
#include <sstream>

namespace longlora {
namespace {

namespace fs = std::filesystem;
using test::copyGolden;
using test::golden;
using test::holds;
using test::messageOf;
using test::TemporaryFolder;
using test::writeTrainedAdapter;

/// A merge that can be made to fail in different ways; nothing of it may remain.
class MergeFailure : public testing::Test {
protected:
    void SetUp() override
    {
        copyGolden("models/llama-mha", m_folder.path() / "base");
        writeTrainedAdapter({"mha-extend-s2", "llama-mha", 2.0}, m_folder.path() / "adapter");
        m_request = {m_folder.path() / "base", m_folder.path() / "adapter",
                     m_folder.path() / "out" / "merged", "fp32", true};
        fs::create_directory(m_folder.path() / "out");
    }
    void TearDown() override
    {
        EXPECT_TRUE(fs::is_empty(m_folder.path() / "out")) << "something half-written remains";
    }
    template <typename Expected>
    std::string refusal()
    {
        return messageOf<Expected>([&] { mergeAdapter(m_request, {}); });
    }
    void editBase(const std::string& name, const at::Tensor& tensor)
    {
        auto weights = test::goldenWeights("llama-mha");
        weights.at(name) = tensor;
        writeSafetensors(m_folder.path() / "base" / "model.safetensors", weights);
    }
    void forgetFingerprint()
    {
        AdapterOrigin origin = *readAdapterOrigin(m_folder.path() / "adapter");
        origin.fingerprint.clear();
        writeAdapterOrigin(m_folder.path() / "adapter", origin);
    }

    TemporaryFolder m_folder;
    MergeRequest m_request;
};

TEST_F(MergeFailure, ExistingOutputIsLeftAlone)
{
    m_request.output = m_folder.path() / "exists";
    fs::create_directory(m_request.output);
    test::writeBytes(m_request.output / "mine", "precious");
    EXPECT_TRUE(holds(refusal<ConfigError>(), "exists already"));
    EXPECT_EQ(test::readBytes(m_request.output / "mine"), "precious");
    m_request.output = m_folder.path() / "exists" / "mine";
    EXPECT_TRUE(holds(refusal<ConfigError>(), "exists already"));
}

TEST_F(MergeFailure, UnknownDtypeIsRefused)
{
    m_request.dtype = "int8";
    EXPECT_TRUE(holds(refusal<ConfigError>(), "int8"));
}

TEST_F(MergeFailure, PlaceThatCannotBeWrittenIsNamed)
{
    test::writeBytes(m_folder.path() / "file", "");
    m_request.output = m_folder.path() / "file" / "merged";
    EXPECT_TRUE(holds(refusal<DataError>(), (m_folder.path() / "file").string()));
    m_request.output = "/proc/longlora/merged";
    EXPECT_TRUE(holds(refusal<DataError>(), "/proc/longlora/merged"));
}

TEST_F(MergeFailure, FolderWithoutWriteRightIsNamed)
{
    // The superuser may write everywhere, so he becomes nobody for a moment.
    constexpr uid_t kNobody = 65534;
    const uid_t user = ::geteuid();
    fs::permissions(m_folder.path(), fs::perms(0755));
    fs::permissions(m_folder.path() / "out", fs::perms(0555));
    ASSERT_EQ(user == 0 ? ::seteuid(kNobody) : 0, 0);
    const std::string message = refusal<DataError>();
    ASSERT_EQ(::seteuid(user), 0);
    fs::permissions(m_folder.path() / "out", fs::perms(0755));
    EXPECT_TRUE(holds(message, "Cannot create " + m_request.output.string())) << message;
}

TEST_F(MergeFailure, FullDiskInTheMiddleLeavesNothing)
{
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limit{300'000, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    const std::string message = refusal<DataError>();
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    EXPECT_TRUE(holds(message, "Cannot write")) << message;
}

TEST_F(MergeFailure, ModelLargerThanTheDiskIsRefusedBeforeTheFirstByte)
{
    // A sparse file: 2,000,000 x 65,536 numbers that take no space as long as nobody copies them.
    const fs::path base = m_folder.path() / "base";
    const std::uint64_t bytes = std::uint64_t{2'000'000} * 65'536 * 4;
    test::editText(base / "config.json", "\"vocab_size\": 512", "\"vocab_size\": 2000000");
    test::editText(base / "config.json", "\"hidden_size\": 64", "\"hidden_size\": 65536");
    test::editText(base / "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
    test::editText(base / "config.json", "\"tie_word_embeddings\": false",
                   "\"tie_word_embeddings\": true");
    std::ostringstream header;
    std::uint64_t offset = 0;
    for (const WeightShape& shape : weightShapes(readModelConfig(base))) {
        header << (offset == 0 ? '{' : ',') << '"' << shape.name << R"(":{"dtype":"F32","shape":[)";
        std::uint64_t size = 4;
        for (std::size_t i = 0; i < shape.sizes.size(); ++i) {
            size *= static_cast<std::uint64_t>(shape.sizes[i]);
            header << (i == 0 ? "" : ",") << shape.sizes[i];
        }
        header << R"(],"data_offsets":[)" << offset << ',' << offset + size << "]}";
        offset += size;
    }
    header << '}';
    ASSERT_GT(offset, bytes);
    test::writeBytes(base / "model.safetensors", test::safetensorsBytes(header.str(), ""));
    std::error_code code;
    fs::resize_file(base / "model.safetensors", fs::file_size(base / "model.safetensors") + offset,
                    code);
    if (code) {
        GTEST_SKIP() << "this file system cannot hold a sparse file of that size";
    }
    fs::remove_all(m_folder.path() / "adapter");
    Adapter adapter;
    adapter.pairs["model.layers.0.self_attn.k_proj"] = {at::zeros({1, 65536}), at::zeros({64, 1}),
                                                        1.0};
    AdapterDescription description;
    description.lora.rank = 1;
    description.lora.alpha = 1.0;
    writeAdapter(m_folder.path() / "adapter", description, adapter.pairs, {});
    EXPECT_TRUE(holds(refusal<DataError>(), "Not enough space"));
}

TEST_F(MergeFailure, CancellingLeavesNothing)
{
    for (const std::string phase : {"merging", "verifying"}) {
        int calls = 0;
        EXPECT_THROW(mergeAdapter(m_request,
                                  [&](const Progress& progress) {
                                      EXPECT_LE(progress.done, progress.total);
                                      return progress.phase != phase || ++calls < 3;
                                  }),
                     Cancelled);
        EXPECT_TRUE(fs::is_empty(m_folder.path() / "out")) << phase;
    }
}

TEST_F(MergeFailure, CreatedParentsDisappearToo)
{
    m_request.output = m_folder.path() / "out" / "a" / "b" / "merged";
    EXPECT_THROW(mergeAdapter(m_request, [](const Progress&) { return false; }), Cancelled);
}

TEST_F(MergeFailure, NanInTheBaseIsNamed)
{
    forgetFingerprint();
    at::Tensor weight = test::goldenWeights("llama-mha").at("model.layers.1.mlp.gate_proj.weight");
    weight[3][4] = std::numeric_limits<float>::quiet_NaN();
    editBase("model.layers.1.mlp.gate_proj.weight", weight);
    EXPECT_TRUE(holds(refusal<DataError>(), "model.layers.1.mlp.gate_proj.weight holds NaN"));
}

TEST_F(MergeFailure, ValuesBeyondF16AreNamed)
{
    forgetFingerprint();
    at::Tensor weight = test::goldenWeights("llama-mha").at("model.layers.1.mlp.gate_proj.weight");
    weight[3][4] = 1e5F;
    editBase("model.layers.1.mlp.gate_proj.weight", weight);
    m_request.dtype = "f16";
    EXPECT_TRUE(holds(refusal<DataError>(), "beyond the range of f16"));
}

TEST_F(MergeFailure, AdapterOfAnotherBaseIsRefused)
{
    editBase("model.layers.1.mlp.gate_proj.weight", at::zeros({144, 64}));
    EXPECT_TRUE(holds(refusal<DataError>(), "another base model: the weights differ"));
    m_request.base = golden("models/llama-gqa-llama3");
    EXPECT_TRUE(holds(refusal<DataError>(), "another base model"));
}

TEST_F(MergeFailure, BaseWithAThirdRopeIsRefused)
{
    test::editText(m_folder.path() / "base" / "config.json", "\"rope_scaling\": null",
                   R"("rope_scaling": {"type": "linear", "factor": 3.0})");
    const std::string message = refusal<DataError>();
    EXPECT_TRUE(holds(message, "linear x 2")) << message;
    EXPECT_TRUE(holds(message, "linear x 3")) << message;
}

} // namespace
} // namespace longlora
