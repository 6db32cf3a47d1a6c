// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/gguf_model.h"
#include "core/engine/checkpoint/gguf/gguf_rope.h"
#include "core/engine/checkpoint/gguf_export.h"
#include "core/engine/checkpoint/gguf_import.h"
#include "core/engine/checkpoint/sha256.h"
#include "core/spec/base/error.h"
#include "tests/engine/checkpoint_folders.h"
#include "tests/engine/gguf_parts.h"
#include "tests/engine/safetensors_text.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <limits>

namespace longlora {
namespace {

namespace fs = std::filesystem;
using test::copyGolden;
using test::editText;
using test::GgufParts;
using test::golden;
using test::holds;
using test::messageOf;
using test::TemporaryFolder;
using Json = nlohmann::json;

/// Fewer tensors in another order would be another file: names, types and bytes, in order.
void expectSameTensors(const GgufParts& made, const GgufParts& expected)
{
    ASSERT_EQ(made.tensors.size(), expected.tensors.size());
    for (std::size_t i = 0; i < expected.tensors.size(); ++i) {
        const auto& left = made.tensors[i];
        const auto& right = expected.tensors[i];
        EXPECT_EQ(left.announced.name, right.announced.name);
        EXPECT_EQ(left.announced.type, right.announced.type) << left.announced.name;
        EXPECT_EQ(left.announced.sizes, right.announced.sizes) << left.announced.name;
        EXPECT_EQ(left.bytes, right.bytes) << left.announced.name;
    }
}

class ExportGguf : public testing::Test {
protected:
    fs::path out() const { return folder.path() / "model.gguf"; }
    std::string refusal(const fs::path& model, const std::string& dtype = "f16")
    {
        const std::string message = messageOf<Error>([&] {
            exportGguf({model, out(), dtype}, {});
        });
        EXPECT_FALSE(fs::exists(out())) << message;
        return message;
    }

    TemporaryFolder folder;
};

TEST_F(ExportGguf, GivesTheReferencesTensorsByteForByte)
{
    for (const auto& [name, dtype] :
         {std::pair("linear.f16", "f16"), {"linear.q8_0", "q8_0"}, {"llama3.f16", "f16"}}) {
        const std::string source = std::string(name).substr(0, std::string(name).find('.'));
        const fs::path made = folder.path() / (std::string(name) + ".gguf");
        const ConversionReport report =
            exportGguf({golden("gguf/" + source + "-source"), made, dtype}, {});
        EXPECT_EQ(report.dtype, dtype);
        EXPECT_EQ(report.bytes, static_cast<double>(fs::file_size(made)));
        expectSameTensors(GgufParts::of(made),
                          GgufParts::of(golden("gguf/" + std::string(name) + ".gguf")));
    }
}

TEST_F(ExportGguf, SaysInTheMetadataWhatTheReferenceSays)
{
    exportGguf({golden("gguf/linear-source"), out(), "f16"}, {});
    const GgufFile made = GgufFile::open(out());
    const GgufFile expected = GgufFile::open(golden("gguf/linear.f16.gguf"));
    for (const auto& [key, value] : expected.metadata().entries()) {
        const GgufValue* const own = made.metadata().find(key);
        ASSERT_NE(own, nullptr) << key;
        if (key != "general.name") {
            EXPECT_EQ(own->type, value.type) << key;
            EXPECT_EQ(own->data, value.data) << key;
        }
    }
    EXPECT_EQ(made.metadata().text("general.name"), "linear-source");
}

/// Names, shapes and bytes that llama.cpp's converter gives to the tensors of each family.
TEST_F(ExportGguf, LaysEachFamilyOutAsTheConverterDoes)
{
    const Json layout = Json::parse(std::ifstream(golden("gguf/layout.json")));
    ASSERT_EQ(layout.size(), 6U);
    for (const auto& [model, tensors] : layout.items()) {
        const fs::path made = folder.path() / (model + ".gguf");
        exportGguf({golden("models/" + model), made, "fp32"}, {});
        const GgufFile file = GgufFile::open(made);
        std::size_t compared = 0;
        for (const GgufTensor& tensor : file.header().tensors) {
            if (tensor.name == "rope_freqs.weight") {
                continue;
            }
            ASSERT_TRUE(tensors.contains(tensor.name)) << model << " " << tensor.name;
            EXPECT_EQ(tensors[tensor.name]["shape"], tensor.sizes) << model << " " << tensor.name;
            Sha256 hash;
            hash.add({reinterpret_cast<const char*>(file.data(tensor)), tensor.bytes});
            EXPECT_EQ(tensors[tensor.name]["sha256"], hash.hex()) << model << " " << tensor.name;
            ++compared;
        }
        EXPECT_EQ(compared, tensors.size()) << model;
    }
}

class RoundTrip : public testing::TestWithParam<std::string> {};

TEST_P(RoundTrip, ThroughGgufKeepsConfigAndEveryNumber)
{
    const TemporaryFolder folder;
    const fs::path model = golden("models/" + GetParam());
    const ModelConfig config = readModelConfig(model);
    const bool isNarrow = config.storedDtype == "bfloat16";
    exportGguf({model, folder.path() / "m.gguf", isNarrow ? "bf16" : "fp32"}, {});
    const ConversionReport report =
        importGguf({folder.path() / "m.gguf", folder.path() / "back", "auto"}, {});
    EXPECT_EQ(report.dtype, isNarrow ? "bf16" : "fp32"); // the narrowest without loss
    ModelConfig back = readModelConfig(folder.path() / "back");
    if (config.architecture == "MistralForCausalLM") {
        back.architecture = config.architecture; // without a window, it is a Llama
    }
    EXPECT_EQ(back, config);
    const auto weights = test::goldenWeights(GetParam());
    const auto file = SafetensorsFile::open(folder.path() / "back" / "model.safetensors");
    EXPECT_EQ(file.entries().size(), weights.size());
    for (const auto& [name, weight] : weights) {
        EXPECT_TRUE(at::equal(file.tensor(name), weight)) << name;
    }
}

INSTANTIATE_TEST_SUITE_P(Families, RoundTrip,
                         testing::Values("llama-mha", "llama-linear", "llama-gqa-llama3",
                                         "llama-yarn", "mistral-gqa", "qwen2", "qwen3", "gpt-neox",
                                         "tiny-shakespeare"));

/// RoPE through a file's metadata and tensor, alone.
RopeScaling throughMetadata(const RopeScaling& rope, std::int64_t contextLength)
{
    GgufMetadata metadata("file");
    addGgufRope(metadata, "llama", rope);
    const RopeScaling read = readGgufRope(metadata, "llama", contextLength);
    return rope.kind == RopeKind::Llama3
               ? withRopeFactors(read, ropeFactors(rope, 128), contextLength, "file")
               : read;
}

TEST_F(ExportGguf, AContextThatIsTheProductIsSaidAndUnderstood)
{
    const fs::path model = folder.path() / "model";
    copyGolden("gguf/linear-source", model);
    editText(model / "config.json", "\"max_position_embeddings\": 256",
             "\"max_position_embeddings\": 1024");
    editText(model / "config.json", "\"rope_type\": \"linear\"",
             "\"rope_type\": \"linear\", \"original_max_position_embeddings\": 256");
    ASSERT_EQ(readModelConfig(model).contextLength(), 1024);
    exportGguf({model, out(), "fp32"}, {});
    const GgufFile file = GgufFile::open(out());
    EXPECT_EQ(file.metadata().integer("llama.context_length", 1, 9999), 1024);
    EXPECT_EQ(readGgufModel(file).maxPositionEmbeddings, 256);
    EXPECT_EQ(readGgufModel(file).contextLength(), 1024);
}

TEST_F(ExportGguf, TheRopeOfOtherKeysCountsWhereOursContradictsThem)
{
    exportGguf({golden("gguf/linear-source"), out(), "f16"}, {});
    GgufParts parts = GgufParts::of(out());
    parts.set("llama.rope.scaling.factor", GgufValue::float32(8.0));
    const fs::path changed = folder.path() / "changed.gguf";
    parts.write(changed);
    EXPECT_EQ(readGgufModel(GgufFile::open(changed)).rope.factor, 8.0);
}

TEST(GgufRope, OfEveryKindComesBack)
{
    RopeScaling rope;
    rope.theta = 500000.0;
    EXPECT_EQ(throughMetadata(rope, 4096), rope);
    rope.kind = RopeKind::Linear;
    rope.factor = 3.3;
    EXPECT_EQ(throughMetadata(rope, 4096), rope);
    rope.kind = RopeKind::Llama3;
    rope.factor = 8.0;
    rope.originalMaxPositionEmbeddings = 8192;
    EXPECT_EQ(throughMetadata(rope, 131072), rope);
    rope.kind = RopeKind::Yarn;
    rope.originalMaxPositionEmbeddings = 2048;
    rope.betaFast = 20.0;
    EXPECT_EQ(throughMetadata(rope, 4096), rope);
    rope.attentionFactor = 1.0;
    const RopeScaling back = throughMetadata(rope, 4096);
    EXPECT_NEAR(back.attentionFactor, 1.0, 1e-6);
}

TEST_F(ExportGguf, WhatLlamaCppWouldComputeOtherwiseIsRefused)
{
    EXPECT_TRUE(holds(refusal(golden("models/llama-dynamic")), "no dynamic scaling"));

    const fs::path window = folder.path() / "window";
    copyGolden("models/mistral-gqa", window);
    editText(window / "config.json", "\"sliding_window\": null", "\"sliding_window\": 24");
    EXPECT_TRUE(holds(refusal(window), "a window of 24 tokens"));

    const fs::path tanh = folder.path() / "tanh";
    copyGolden("models/gpt-neox", tanh);
    editText(tanh / "config.json", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"gelu_new\"");
    EXPECT_TRUE(holds(refusal(tanh), "GELU by tanh"));

    const fs::path ramp = folder.path() / "ramp";
    copyGolden("models/llama-yarn", ramp);
    editText(ramp / "config.json", "\"rope_type\": \"yarn\"",
             "\"rope_type\": \"yarn\", \"truncate\": false");
    EXPECT_TRUE(holds(refusal(ramp), "\"truncate\": false"));
}

TEST_F(ExportGguf, NumbersThatDoNotFitAreRefused)
{
    auto weights = test::goldenWeights("llama-mha");
    const std::string name = "model.layers.0.mlp.up_proj.weight";
    const fs::path model = folder.path() / "large";
    weights.at(name)[3][5] = 70000.0F;
    test::writeModelFolder(model, "llama-mha", weights);
    EXPECT_TRUE(holds(refusal(model, "f16"), name + " has values beyond the range of F16"));
    weights.at(name)[3][5] = std::numeric_limits<float>::quiet_NaN();
    test::writeModelFolder(model, "llama-mha", weights);
    EXPECT_TRUE(holds(refusal(model, "bf16"), "holds NaN at element"));
}

TEST_F(ExportGguf, UnknownTypesAndExistingFilesAreRefused)
{
    EXPECT_TRUE(holds(refusal(golden("models/llama-mha"), "q4_0"), "as q4_0"));
    test::writeBytes(out(), "mine");
    const std::string message = messageOf<ConfigError>([&] {
        exportGguf({golden("models/llama-mha"), out(), "f16"}, {});
    });
    EXPECT_TRUE(holds(message, "exists already"));
    EXPECT_EQ(test::readBytes(out()), "mine");
}

TEST_F(ExportGguf, CancellingLeavesNothing)
{
    for (const std::string phase : {"exporting", "verifying"}) {
        const auto stop = [&](const Progress& progress) {
            return progress.phase != phase || progress.done < 3;
        };
        EXPECT_THROW(exportGguf({golden("models/llama-mha"), out(), "f16"}, stop), Cancelled);
        EXPECT_TRUE(fs::is_empty(folder.path()));
    }
}

TEST_F(ExportGguf, RowsThatAreNoWholeBlocksStayInHalfPrecision)
{
    // Pythia-like widths are whole blocks; a vocabulary of any length is no row.
    exportGguf({golden("models/mistral-gqa"), out(), "q8_0"}, {});
    const GgufFile file = GgufFile::open(out());
    for (const GgufTensor& tensor : file.header().tensors) {
        const GgmlType expected = tensor.sizes.size() == 1       ? GgmlType::F32
                                  : tensor.rowLength() % 32 == 0 ? GgmlType::Q8_0
                                                                 : GgmlType::F16;
        EXPECT_EQ(tensor.type, expected) << tensor.name;
    }
}

} // namespace
} // namespace longlora
