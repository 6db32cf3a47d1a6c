// SPDX-License-Identifier: GPL-3.0-or-later
// What PEFT does to embedding and head beyond replacing them: rows, low-rank updates, more rows.
#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/merge.h"
#include "core/engine/model/forward.h"
#include "core/spec/base/error.h"
#include "tests/engine/checkpoint_folders.h"
#include "tests/support/golden_model.h"
#include "tests/support/temporary_folder.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <gtest/gtest.h>

#include <algorithm>

namespace longlora {
namespace {

using test::golden;
using test::holds;
using test::messageOf;
using test::TemporaryFolder;

struct EndsCase {
    std::string adapter;
    std::string base;
    bool staysTied = false;
    std::int64_t vocabulary = 320;
};

void PrintTo(const EndsCase& item, std::ostream* stream)
{
    *stream << item.adapter;
}

class AdapterEnds : public testing::TestWithParam<EndsCase> {
protected:
    double errorOf(const DecoderModel& model) const
    {
        const auto file =
            SafetensorsFile::open(golden("adapters/" + GetParam().adapter + "/logits.safetensors"));
        const at::Tensor logits =
            forwardLogits(model, file.tensor("ids").unsqueeze(0), {}).squeeze(0);
        return test::logitError(logits, file.tensor("logits_adapter"));
    }
};

TEST_P(AdapterEnds, GiveTheLogitsOfPeftAttachedAndMerged)
{
    const EndsCase& item = GetParam();
    DecoderModel model = test::goldenModel(item.base);
    attachAdapter(model, readAdapter(golden("adapters/" + item.adapter)));
    EXPECT_EQ(model.config.vocabularySize, item.vocabulary);
    EXPECT_EQ(model.headIsTied(), item.staysTied);
    EXPECT_LT(errorOf(model), 1e-4);

    const TemporaryFolder folder;
    MergeRequest request;
    request.base = golden("models/" + item.base);
    request.adapter = golden("adapters/" + item.adapter);
    request.output = folder.path() / "merged";
    request.dtype = "fp32";
    EXPECT_TRUE(mergeAdapter(request, {}).verified);
    const DecoderModel merged = loadBaseModel(request.output, {at::kCPU, at::kFloat});
    EXPECT_EQ(merged.config.tiedEmbeddings, item.staysTied);
    EXPECT_EQ(merged.config.vocabularySize, item.vocabulary);
    EXPECT_LT(errorOf(merged), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Peft, AdapterEnds,
                         testing::Values(EndsCase{"token-rows", "llama-gqa-llama3"},
                                         EndsCase{"token-rows-tied", "qwen2", true},
                                         EndsCase{"embedding-lora", "llama-yarn"},
                                         EndsCase{"embedding-lora-tied", "qwen2"},
                                         EndsCase{"resized", "mistral-gqa", false, 324}),
                         [](const auto& item) {
                             std::string name = item.param.adapter;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

TEST(AdapterEndsRefused, WhatCannotBeToldIsNamed)
{
    const Adapter rows = readAdapter(golden("adapters/token-rows"));
    const auto refusal = [](const std::string& base, const Adapter& adapter) {
        DecoderModel model = test::goldenModel(base);
        return messageOf<DataError>([&] { attachAdapter(model, adapter); });
    };
    Adapter outside = rows;
    outside.rows.at("model.embed_tokens.weight").tokens.front() = 320;
    EXPECT_TRUE(holds(refusal("llama-gqa-llama3", outside), "token 320 was trained"));
    Adapter narrow = rows;
    narrow.rows.at("lm_head.weight").values = at::zeros({2, 32});
    EXPECT_TRUE(holds(refusal("llama-gqa-llama3", narrow), "lm_head.weight is [320, 64]"));
    Adapter tiedOnly = readAdapter(golden("adapters/token-rows-tied"));
    tiedOnly.headRowsAreTied = true;
    tiedOnly.pairs.clear();
    EXPECT_TRUE(holds(refusal("llama-gqa-llama3", tiedOnly), "rows for a tied head only"));
    EXPECT_EQ(refusal("qwen2", tiedOnly), "");
    Adapter ofHead = tiedOnly;
    ofHead.rows["lm_head.weight"] = ofHead.rows.at("model.embed_tokens.weight");
    EXPECT_TRUE(holds(refusal("qwen2", ofHead), "one end of a tied pair"));
    Adapter update = readAdapter(golden("adapters/embedding-lora-tied"));
    update.keepsTying = true;
    EXPECT_TRUE(holds(refusal("qwen2", update), "an embedding that stays tied"));
    Adapter wider = readAdapter(golden("adapters/resized"));
    wider.replaced.erase("lm_head.weight");
    EXPECT_TRUE(holds(refusal("mistral-gqa", wider), "is [320, 72], the adapter's [324, 72]"))
        << "nobody knows the head's new rows";
}

TEST(AdapterEndsRefused, RowsMustBeThoseOfTheConfig)
{
    const TemporaryFolder folder;
    test::copyGolden("adapters/token-rows-tied", folder.path());
    const auto file = folder.path() / "adapter_config.json";
    test::editText(file, "9,", "");
    EXPECT_TRUE(holds(messageOf<FormatError>([&] { readAdapter(folder.path()); }),
                      "has not the 2 rows that trainable_token_indices names"));
    writeSafetensors(
        folder.path() / "adapter_model.safetensors",
        {{"base_model.model.model.layers.0.self_attn.v_proj.lora_A.weight", at::zeros({4, 64})},
         {"base_model.model.model.layers.0.self_attn.v_proj.lora_B.weight", at::zeros({32, 4})}});
    EXPECT_TRUE(holds(messageOf<FormatError>([&] { readAdapter(folder.path()); }),
                      "has no trainable_tokens_delta"));
}

} // namespace
} // namespace longlora
