// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/inspect/adapter_base.h"
#include "core/spec/inspect/file_inspection.h"
#include "core/spec/inspect/model_card.h"
#include "core/spec/inspect/path_kind.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace longlora {
namespace {

namespace fs = std::filesystem;
using test::contentOf;
using test::TemporaryFolder;

const fs::path kGolden = LONGLORA_GOLDEN_DIR;

fs::path copied(const TemporaryFolder& folder, const std::string& model)
{
    const fs::path to = folder.path() / model;
    fs::copy(kGolden / "models" / model, to, fs::copy_options::recursive);
    return to;
}

void write(const fs::path& file, const std::string& content)
{
    std::ofstream(file, std::ios::binary) << content;
}

/// With `what` replaced once.
void edit(const fs::path& file, const std::string& what, const std::string& with)
{
    std::string text = contentOf(file);
    const std::size_t at = text.find(what);
    ASSERT_NE(at, std::string::npos) << file;
    fs::remove(file);
    write(file, text.replace(at, what.size(), with));
}

bool hasLine(const std::vector<std::string>& lines, const std::string& part)
{
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
        return line.find(part) != std::string::npos && line.find('\n') == std::string::npos;
    });
}

std::string factOf(const Inspection& inspection, const std::string& name)
{
    for (const auto& [key, value] : inspection.facts) {
        if (key == name) {
            return std::holds_alternative<std::string>(value) ? std::get<std::string>(value)
                   : std::holds_alternative<std::int64_t>(value)
                       ? std::to_string(std::get<std::int64_t>(value))
                       : "(a number)";
        }
    }
    return "(no such fact)";
}

TEST(ModelCard, TellsAModelWithoutReadingItsWeights)
{
    const ModelCard card = readModelCard(kGolden / "models/llama-gqa-llama3");
    ASSERT_TRUE(card.config);
    EXPECT_TRUE(card.isUsable());
    EXPECT_EQ(familyName(*card.config), "Llama");
    EXPECT_EQ(card.weights.format, WeightFormat::ShardedSafetensors);
    EXPECT_EQ(card.weights.files, 5);
    EXPECT_FALSE(card.isChat);
    EXPECT_TRUE(hasLine(card.warnings, "there is no tokenizer"));
    const Inspection told = inspectionOf(card);
    EXPECT_EQ(told.kind, "model");
    EXPECT_EQ(factOf(told, "family"), "Llama");
    EXPECT_EQ(factOf(told, "kv_heads"), "2");
    EXPECT_EQ(factOf(told, "rope"), describeRope(card.config->rope));
    EXPECT_NE(factOf(told, "rope_meaning").find("stretched by 8"), std::string::npos);
    EXPECT_EQ(factOf(told, "weights"), "safetensors in 5 files");
    EXPECT_EQ(told.facts.front().first, "family");
    EXPECT_TRUE(told.problems.empty());
}

TEST(ModelCard, KnowsEveryFamily)
{
    const std::vector<std::pair<std::string, std::string>> names = {{"llama-mha", "Llama"},
                                                                    {"mistral-gqa", "Mistral"},
                                                                    {"qwen2", "Qwen2"},
                                                                    {"qwen3", "Qwen3"},
                                                                    {"gpt-neox", "GPT-NeoX"}};
    for (const auto& [model, family] : names) {
        EXPECT_EQ(summarizeModel(kGolden / "models" / model).family, family);
        EXPECT_EQ(summarizeModel(kGolden / "models" / model).name, model);
        EXPECT_EQ(summarizeModel(kGolden / "models" / model).problem, "");
    }
}

TEST(ModelCard, TellsTokenizerAndTemplate)
{
    const TemporaryFolder folder;
    const fs::path model = copied(folder, "tiny-shakespeare");
    ModelCard card = readModelCard(model);
    EXPECT_EQ(card.tokenizerKind, "sentencepiece");
    ASSERT_TRUE(card.tokenizer);
    EXPECT_TRUE(card.warnings.empty()) << card.warnings.front();
    EXPECT_FALSE(card.isChat);
    fs::copy_file(kGolden / "templates/zephyr.jinja", model / "chat_template.jinja");
    card = readModelCard(model);
    EXPECT_TRUE(card.isChat);
    EXPECT_EQ(card.templateStyle, "Zephyr");
    EXPECT_EQ(factOf(inspectionOf(card), "chat_template"), "Zephyr");
    write(model / "chat_template.jinja", "{% for %}");
    card = readModelCard(model);
    EXPECT_TRUE(card.isChat);
    EXPECT_EQ(card.templateStyle, "");
    EXPECT_TRUE(card.isUsable());
    EXPECT_TRUE(hasLine(card.warnings, "chat template cannot be used"));
}

TEST(ModelCard, RowsAndTokensNeedNotBeEqual)
{
    const TemporaryFolder folder;
    const fs::path model = copied(folder, "tiny-shakespeare");
    edit(model / "config.json", "\"vocab_size\": 512", "\"vocab_size\": 640");
    EXPECT_TRUE(hasLine(readModelCard(model).warnings, "the last 128 rows are never used"));
    edit(model / "config.json", "\"vocab_size\": 640", "\"vocab_size\": 500");
    EXPECT_TRUE(hasLine(readModelCard(model).warnings, "one of the last 12 ids"));
}

TEST(ModelCard, SaysWhatIsMissingAndWhatToDo)
{
    const TemporaryFolder folder;
    const fs::path model = copied(folder, "llama-gqa-llama3");
    fs::remove(model / "model-00003-of-00005.safetensors");
    ModelCard card = readModelCard(model);
    EXPECT_FALSE(card.isUsable());
    EXPECT_TRUE(hasLine(card.problems, "1 of 5 weight files named by "
                                       "model.safetensors.index.json is missing "
                                       "(model-00003-of-00005.safetensors): copy it"));
    fs::remove(model / "model-00004-of-00005.safetensors");
    EXPECT_TRUE(hasLine(readModelCard(model).problems,
                        "2 of 5 weight files named by model.safetensors.index.json are missing "
                        "(model-00003-of-00005.safetensors, ...): copy them"));
    fs::remove(model / "model.safetensors.index.json");
    EXPECT_TRUE(hasLine(readModelCard(model).problems, "the weights are missing"));
    edit(model / "config.json", "\"silu\"", "\"relu\"");
    EXPECT_TRUE(hasLine(readModelCard(model).problems, "relu"));
    fs::remove(model / "config.json");
    EXPECT_TRUE(hasLine(readModelCard(model).problems, "config.json is missing"));
    EXPECT_TRUE(hasLine(readModelCard(model / "none").problems, "is not a folder"));
    EXPECT_NE(summarizeModel(model).problem, "");
}

TEST(ModelCard, AnIndexThatLeadsElsewhereIsRefused)
{
    const TemporaryFolder folder;
    const fs::path model = copied(folder, "llama-gqa-llama3");
    edit(model / "model.safetensors.index.json", "model-00003-of-00005.safetensors",
         "../../etc/passwd");
    EXPECT_TRUE(hasLine(readModelCard(model).problems, "bare name"));
}

TEST(ModelCard, ABrokenGenerationConfigIsAProblem)
{
    const TemporaryFolder folder;
    const fs::path model = copied(folder, "tiny-shakespeare");
    fs::remove(model / "generation_config.json");
    write(model / "generation_config.json", "{\"eos_token_id\": \"two\"}");
    EXPECT_TRUE(hasLine(readModelCard(model).problems, "generation_config.json"));
}

TEST(PathKind, IsToldByNamesAndFirstBytes)
{
    const TemporaryFolder folder;
    EXPECT_EQ(pathKindOf(folder.path() / "none"), PathKind::Missing);
    EXPECT_EQ(pathKindOf(folder.path()), PathKind::Unknown);
    EXPECT_EQ(pathKindOf(kGolden / "models/qwen2"), PathKind::Model);
    EXPECT_EQ(pathKindOf(kGolden / "adapters/gqa-plain"), PathKind::Adapter);
    EXPECT_EQ(pathKindOf(kGolden / "tokenizer/smollm2"), PathKind::Tokenizer);
    EXPECT_EQ(pathKindOf(kGolden / "tokenizer/tiny-spm/tokenizer.model"), PathKind::Tokenizer);
    EXPECT_EQ(pathKindOf(kGolden / "models/qwen2/model.safetensors"), PathKind::Safetensors);
    EXPECT_EQ(pathKindOf(kGolden / "perplexity/tokens.bin"), PathKind::TokenFile);
    EXPECT_EQ(pathKindOf(folder.write("a.jsonl", "{}")), PathKind::Jsonl);
    EXPECT_EQ(pathKindOf(folder.write("a.txt", "x")), PathKind::Text);
    EXPECT_EQ(pathKindOf(folder.write("a.pdf", "%PDF-1.7")), PathKind::Unknown);
    EXPECT_EQ(pathKindOf(folder.write("no-ending", "GGUF\x03")), PathKind::Gguf);
    EXPECT_EQ(pathKindOf(folder.write("a.gguf", "")), PathKind::Gguf);
    EXPECT_EQ(pathKindOf(folder.write("a.bin", "PK\x03\x04...")), PathKind::PytorchBin);
    EXPECT_EQ(pathKindOf(folder.write("old.bin",
                                      "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.")),
              PathKind::PytorchBin);
    EXPECT_EQ(pathKindOf(folder.write("ids.bin", "\x80\x02\x05")), PathKind::TokenFile);
    folder.write("trainable_params.bin", "x");
    EXPECT_EQ(pathKindOf(folder.path()), PathKind::Adapter);
    folder.write("run.json", "{}");
    EXPECT_EQ(pathKindOf(folder.path()), PathKind::Run);
}

TEST(FileInspection, ATokenFileIsReadBothWays)
{
    const TemporaryFolder folder;
    const std::string bytes("\x01\x00\x05\x00\xff\x01\x00\x00", 8);
    const Inspection ids = inspectTokenFile(folder.write("ids.bin", bytes));
    EXPECT_EQ(factOf(ids, "ids_if_uint16"), "4");
    EXPECT_EQ(factOf(ids, "largest_id_if_uint16"), "511");
    EXPECT_EQ(factOf(ids, "ids_if_uint32"), "2");
    EXPECT_EQ(factOf(ids, "largest_id_if_uint32"), std::to_string(0x50001));
    EXPECT_TRUE(ids.problems.empty());
    EXPECT_TRUE(hasLine(inspectTokenFile(folder.write("odd.bin", "abc")).problems, "odd number"));
    EXPECT_TRUE(hasLine(inspectTokenFile(folder.write("no.bin", "")).problems, "is empty"));
}

TEST(FileInspection, JsonlRowsAreCountedAndBadOnesNamed)
{
    const TemporaryFolder folder;
    const Inspection rows = inspectJsonl(
        folder.write("rows.jsonl", "{\"text\": \"abc\"}\n\n{\"input_ids\": [1, 2, 3]}\n"
                                   "{\"messages\": []}\nnonsense\n"),
        {});
    EXPECT_EQ(factOf(rows, "text_rows"), "1");
    EXPECT_EQ(factOf(rows, "token_rows"), "1");
    EXPECT_EQ(factOf(rows, "tokens_in_token_rows"), "3");
    EXPECT_EQ(factOf(rows, "bad_rows"), "2");
    EXPECT_TRUE(hasLine(rows.problems, "line 4"));
    EXPECT_TRUE(hasLine(rows.problems, "line 5"));
    EXPECT_TRUE(hasLine(inspectJsonl(folder.write("no.jsonl", "\n"), {}).problems, "no rows"));
}

TEST(FileInspection, ATextIsUtf8)
{
    const TemporaryFolder folder;
    const Inspection text = inspectText(folder.write("a.txt", "one\ntwo\n"));
    EXPECT_EQ(factOf(text, "lines"), "2");
    EXPECT_TRUE(text.problems.empty());
    EXPECT_TRUE(hasLine(inspectText(folder.write("b.txt", "a\xff")).problems, "offset 1"));
}

TEST(FileInspection, ATokenizerIsTold)
{
    const Inspection folder = inspectTokenizer(kGolden / "tokenizer/smollm2");
    EXPECT_EQ(factOf(folder, "tokenizer"), "byte-pair encoding (tokenizer.json)");
    EXPECT_EQ(factOf(folder, "tokens"), "49152");
    EXPECT_EQ(factOf(folder, "end_of_text"), "<|im_end|> (2)");
    EXPECT_EQ(factOf(folder, "chat_template"), "ChatML");
    const Inspection file = inspectTokenizer(kGolden / "tokenizer/tiny-spm/tokenizer.model");
    EXPECT_EQ(factOf(file, "tokenizer"), "sentencepiece (tokenizer.model)");
    EXPECT_EQ(factOf(file, "tokens"), "512");
    const TemporaryFolder broken;
    broken.write("tokenizer.json", "{}");
    EXPECT_FALSE(inspectTokenizer(broken.path()).problems.empty());
}

TEST(AdapterBase, IsFoundByPathBesideItAndNotInvented)
{
    const TemporaryFolder folder;
    const fs::path model = copied(folder, "qwen2");
    const fs::path adapter = folder.path() / "adapter";
    fs::create_directory(adapter);
    const auto found = [&](const std::string& base) {
        write(adapter / "adapter_config.json", "{\"base_model_name_or_path\": \"" + base + "\"}");
        return findNamedBase(adapter).value_or("none");
    };
    EXPECT_EQ(found(model.string()), model);
    EXPECT_EQ(found("qwen2"), model);
    EXPECT_EQ(found("../qwen2"), model);
    EXPECT_EQ(found("some/other"), "none");
    EXPECT_EQ(found(""), "none");
    EXPECT_EQ(namedBase(folder.path()), "");
}

} // namespace
} // namespace longlora
