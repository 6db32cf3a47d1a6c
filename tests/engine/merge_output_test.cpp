// SPDX-License-Identifier: GPL-3.0-or-later
// Where a merged model is written, into how many files, and what stands beside its weights.
#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/merge.h"
#include "core/engine/checkpoint/weight_shards.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/error.h"
#include "core/spec/base/replaced_output.h"
#include "tests/engine/checkpoint_folders.h"
#include "tests/engine/large_model.h"
#include "tests/engine/safetensors_text.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <set>

namespace longlora {
namespace {

namespace fs = std::filesystem;
using test::copyGolden;
using test::holds;
using test::messageOf;
using test::readBytes;
using test::TemporaryFolder;
using test::writeBytes;
using Json = nlohmann::json;

/// llama-mha, extended from 64 to 128 tokens.
class MergeOutput : public testing::Test {
protected:
    void SetUp() override
    {
        copyGolden("models/llama-mha", base());
        test::writeTrainedAdapter({"mha-extend-s2", "llama-mha", 2.0}, m_folder.path() / "adapter");
        m_request = {base(), m_folder.path() / "adapter", m_folder.path() / "merged", "fp32"};
    }
    fs::path base() const { return m_folder.path() / "base"; }
    fs::path output() const { return m_request.output; }
    Json jsonOf(const std::string& file) const { return Json::parse(readBytes(output() / file)); }

    TemporaryFolder m_folder;
    MergeRequest m_request;
};

SafetensorsWriter::Announced halves(const std::string& name, std::int64_t bytes)
{
    return {name, at::kHalf, {bytes / 2}};
}

TEST(ShardWeights, DividesInOrderAsTransformersDoes)
{
    const auto shards = shardWeights(
        {halves("a", 60), halves("b", 40), halves("c", 10), halves("big", 102), halves("d", 90)},
        100);
    ASSERT_EQ(shards.size(), 3U);
    // The oversized one gets a file of its own while the current file goes on.
    EXPECT_EQ(shards[0].tensors.size(), 2U);
    EXPECT_EQ(shards[1].tensors.front().name, "big");
    ASSERT_EQ(shards[2].tensors.size(), 2U);
    EXPECT_EQ(shards[2].tensors.back().name, "d");
    EXPECT_EQ(shards[2].file, "model-00003-of-00003.safetensors");
    const Json index = Json::parse(weightIndexJson(shards));
    EXPECT_EQ(index["metadata"]["total_size"], 302);
    EXPECT_EQ(index["weight_map"]["big"], "model-00002-of-00003.safetensors");
    EXPECT_EQ(index["weight_map"].size(), 5U);
    EXPECT_EQ(shardWeights({halves("a", 60), halves("b", 40)}, 100).front().file,
              "model.safetensors");
}

TEST_F(MergeOutput, SeveralFilesHoldTheSameWeightsAsOne)
{
    const MergeReport one = mergeAdapter(m_request, {});
    EXPECT_EQ(one.files, 1);
    const auto whole = SafetensorsFile::open(output() / "model.safetensors");

    m_request.output = m_folder.path() / "sharded";
    m_request.maxShardBytes = 100e3;
    const MergeReport report = mergeAdapter(m_request, {});
    EXPECT_GT(report.files, 2);
    EXPECT_TRUE(report.verified);
    EXPECT_FALSE(fs::exists(output() / "model.safetensors"));
    const Json index = jsonOf(kWeightIndexFile);
    std::set<std::string> files;
    std::uint64_t bytes = 0;
    for (const auto& [tensor, file] : index["weight_map"].items()) {
        const auto shard = SafetensorsFile::open(output() / file.get<std::string>());
        EXPECT_TRUE(at::equal(shard.tensor(tensor), whole.tensor(tensor))) << tensor;
        if (files.insert(file).second) {
            for (const auto& [name, entry] : shard.entries()) {
                bytes += entry.bytes;
                EXPECT_EQ(index["weight_map"][name], file);
            }
            EXPECT_LE(fs::file_size(output() / file.get<std::string>()), 140'000U); // an embedding
        }
    }
    EXPECT_EQ(index["metadata"]["total_size"], bytes);
    EXPECT_EQ(index["weight_map"].size(), whole.entries().size());
    EXPECT_EQ(std::ssize(files), report.files);
}

TEST_F(MergeOutput, ReplacedModelIsKeptAndComesBack)
{
    mergeAdapter(m_request, {});
    writeBytes(output() / "mine", "precious");
    const double bytes = storedBytes(output());
    m_request.replace = true;
    m_request.dtype = "bf16";
    const MergeReport report = mergeAdapter(m_request, {});
    EXPECT_EQ(report.replaced, m_folder.path() / "merged.replaced");
    EXPECT_EQ(report.replacedBytes, bytes);
    EXPECT_EQ(readBytes(report.replaced / "mine"), "precious");
    EXPECT_EQ(jsonOf("config.json")["torch_dtype"], "bfloat16");
    EXPECT_EQ(mergeAdapter(m_request, {}).replaced, m_folder.path() / "merged.replaced-2");

    exchangePaths(output(), report.replaced);
    EXPECT_EQ(readBytes(output() / "mine"), "precious");
    EXPECT_EQ(jsonOf("config.json")["torch_dtype"], "float32");
}

TEST_F(MergeOutput, NothingIsReplacedByAMergeThatFails)
{
    fs::create_directory(output());
    writeBytes(output() / "config.json", "{}");
    m_request.replace = true;
    int calls = 0;
    EXPECT_THROW(mergeAdapter(m_request, [&](const Progress&) { return ++calls < 12; }), Cancelled);
    EXPECT_EQ(readBytes(output() / "config.json"), "{}");
    EXPECT_EQ(std::distance(fs::directory_iterator(m_folder.path()), {}), 3);
}

TEST_F(MergeOutput, WhatIsNoModelIsNotReplaced)
{
    m_request.replace = true;
    fs::create_directory(output());
    writeBytes(output() / "thesis.tex", "precious");
    EXPECT_TRUE(holds(messageOf<ConfigError>([&] { mergeAdapter(m_request, {}); }), "no model"));
    EXPECT_EQ(readBytes(output() / "thesis.tex"), "precious");
}

TEST_F(MergeOutput, OutputThatOverlapsWhatIsReadIsRefused)
{
    m_request.replace = true;
    for (const fs::path& place :
         {base(), base() / "merged", m_folder.path(), m_request.adapter / "."}) {
        m_request.output = place;
        EXPECT_TRUE(holds(messageOf<ConfigError>([&] { mergeAdapter(m_request, {}); }), "overlaps"))
            << place;
    }
}

TEST_F(MergeOutput, LimitIsTheBasesOrTheTrainedLength)
{
    m_request.verify = false;
    mergeAdapter(m_request, {});
    Json config = jsonOf("config.json");
    EXPECT_EQ(config["max_position_embeddings"], 64);
    EXPECT_EQ(config["rope_scaling"]["factor"], 2.0);
    const ModelConfig asLongLora = readModelConfig(output());

    m_request.output = m_folder.path() / "trained";
    m_request.positions = PositionLimit::TrainedLength;
    m_request.verify = true;
    EXPECT_TRUE(mergeAdapter(m_request, {}).verified);
    config = jsonOf("config.json");
    EXPECT_EQ(config["max_position_embeddings"], 128);
    EXPECT_EQ(config["rope_scaling"]["factor"], 2.0);
    EXPECT_EQ(config["rope_scaling"]["original_max_position_embeddings"], 64);
    EXPECT_EQ(readModelConfig(output()), asLongLora) << "must mean the same model";
}

TEST_F(MergeOutput, LimitsOfTokenizerAndGenerationFollowTheContext)
{
    writeBytes(base() / "tokenizer_config.json",
               R"({"model_max_length": 64, "chat_template": "{{ x }}"})");
    writeBytes(base() / "generation_config.json", R"({"max_length": 64, "temperature": 0.6})");
    writeBytes(base() / "chat_template.jinja", "{{ messages }}");
    writeBytes(base() / "merges.txt", "a b");
    m_request.verify = false;
    mergeAdapter(m_request, {});
    EXPECT_EQ(jsonOf("tokenizer_config.json"),
              Json::parse(R"({"model_max_length": 128, "chat_template": "{{ x }}"})"));
    EXPECT_EQ(jsonOf("generation_config.json"),
              Json::parse(R"({"max_length": 128, "temperature": 0.6})"));
    EXPECT_EQ(readBytes(output() / "chat_template.jinja"), "{{ messages }}");
    EXPECT_EQ(readBytes(output() / "merges.txt"), "a b");

    // Hugging Face's "no limit", and one that is large enough, stay byte for byte.
    const std::string unlimited = "{\"model_max_length\":1000000000000000019884624838656 }";
    writeBytes(base() / "tokenizer_config.json", unlimited);
    writeBytes(base() / "generation_config.json", "{ \"max_length\":4096}");
    m_request.output = m_folder.path() / "again";
    mergeAdapter(m_request, {});
    EXPECT_EQ(readBytes(output() / "tokenizer_config.json"), unlimited);
    EXPECT_EQ(readBytes(output() / "generation_config.json"), "{ \"max_length\":4096}");
}

TEST_F(MergeOutput, ExaminationSaysWhatTheMergeDoes)
{
    m_request.maxShardBytes = 100e3;
    const MergePreview before = examineMerge(m_request);
    EXPECT_FALSE(before.outputExists);
    EXPECT_FALSE(fs::exists(output()));
    const MergeReport report = mergeAdapter(m_request, {});
    EXPECT_EQ(before.tensors, report.tensors);
    EXPECT_EQ(before.changedTensors, report.mergedTensors);
    EXPECT_EQ(before.files, report.files);
    EXPECT_EQ(before.rope, report.rope);
    EXPECT_EQ(before.dtype, report.dtype);
    EXPECT_EQ(before.contextLength, 128);
    EXPECT_TRUE(before.fingerprintChecked);
    EXPECT_EQ(before.fingerprint.size(), 64U);
    EXPECT_NEAR(before.outputBytes, report.bytes, 20e3); // headers and the small files
    EXPECT_GT(before.freeBytes, before.outputBytes);
    const MergePreview after = examineMerge(m_request);
    EXPECT_TRUE(after.outputExists);
    EXPECT_EQ(after.existingBytes, report.bytes);
    fs::remove(m_request.adapter / "longlora_adapter.json");
    EXPECT_FALSE(examineMerge(m_request).fingerprintChecked);
}

TEST_F(MergeOutput, ByteThatChangedOnTheDiskIsNoticed)
{
    const auto damage = [&](const Progress& progress) {
        if (progress.phase == "merging" && progress.done == progress.total) {
            for (const auto& entry : fs::recursive_directory_iterator(m_folder.path())) {
                if (entry.path().string().find(".partial-") != std::string::npos &&
                    entry.path().extension() == ".safetensors") {
                    std::string bytes = readBytes(entry.path());
                    bytes[bytes.size() - 3] = static_cast<char>(bytes[bytes.size() - 3] ^ 1);
                    writeBytes(entry.path(), bytes);
                }
            }
        }
        return true;
    };
    const std::string message = messageOf<FormatError>([&] { mergeAdapter(m_request, damage); });
    EXPECT_TRUE(holds(message, "lm_head.weight: reads back other")) << message;
    EXPECT_FALSE(fs::exists(output()));
}

TEST_F(MergeOutput, ShardThatMayNotBeReadIsNamed)
{
    constexpr uid_t kNobody = 65534;
    const uid_t user = ::geteuid();
    fs::permissions(m_folder.path(), fs::perms(0777));
    fs::permissions(base() / "model.safetensors", fs::perms(0));
    ASSERT_EQ(user == 0 ? ::seteuid(kNobody) : 0, 0);
    const std::string message = messageOf<DataError>([&] { mergeAdapter(m_request, {}); });
    ASSERT_EQ(::seteuid(user), 0);
    EXPECT_TRUE(holds(message, "Cannot read " + (base() / "model.safetensors").string()));
    EXPECT_TRUE(holds(message, "rights")) << message;
    EXPECT_FALSE(fs::exists(output()));
}

TEST_F(MergeOutput, SmallDiskIsRefusedBeforeTheFirstByte)
{
    const fs::path disk = m_folder.path() / "disk";
    fs::create_directory(disk);
    // A mount of this process alone, gone with it.
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=256k") != 0) {
        GTEST_SKIP() << "mounting a small disk is not allowed here";
    }
    m_request.output = disk / "merged";
    bool hasBegun = false;
    const std::string message = messageOf<DataError>([&] {
        mergeAdapter(m_request, [&](const Progress&) {
            hasBegun = true;
            return true;
        });
    });
    EXPECT_TRUE(holds(message, "Not enough space")) << message;
    EXPECT_TRUE(holds(message, "256 KiB are free")) << message;
    EXPECT_FALSE(hasBegun);
    EXPECT_TRUE(fs::is_empty(disk));
    ::umount2(disk.c_str(), MNT_DETACH);
}

TEST(MergeMemory, StaysFarBelowTheModel)
{
    const TemporaryFolder folder;
    const ModelConfig config = test::largeModelConfig(8, 1024);
    test::writeLargeModel(folder.path() / "base", config, at::kBFloat16, 50e6);
    const std::string module = "model.layers.3.self_attn.q_proj";
    AdapterDescription description;
    description.lora.rank = 8;
    writeAdapter(folder.path() / "adapter", description,
                 {{module, {at::randn({8, 1024}), at::randn({1024, 8}) * 0.01, 1.0}}}, {});
    MergeRequest request{folder.path() / "base", folder.path() / "adapter",
                         folder.path() / "merged"};
    request.verify = false;
    request.maxShardBytes = 50e6;

    resetPeakMemory(at::kCPU);
    const double before = memoryInUse(at::kCPU);
    std::int64_t calls = 0;
    const MergeReport report = mergeAdapter(request, [&](const Progress&) { return ++calls > 0; });
    const double taken = peakMemory(at::kCPU) - before;
    RecordProperty("peak_bytes", std::to_string(taken));
    EXPECT_GT(report.bytes, 300e6);
    EXPECT_GT(report.files, 5);
    EXPECT_LT(taken, 0.3 * report.bytes);
    EXPECT_GT(calls, report.tensors + 20) << "a large tensor must be cancellable inside";
}

} // namespace
} // namespace longlora
