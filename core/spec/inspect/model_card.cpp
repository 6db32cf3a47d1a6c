// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/inspect/model_card.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/units.h"
#include "core/spec/config/generation_config.h"
#include "core/spec/config/model_family.h"
#include "core/spec/text/prompt_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <system_error>

namespace longlora {

namespace fs = std::filesystem;

namespace {

void tell(std::vector<std::string>& list, const std::function<void()>& work)
{
    try {
        work();
    } catch (const Error& error) {
        list.push_back(error.describe());
    }
}

/// Whose weights are these? Empty: they are whole.
std::string problemOf(const WeightListing& weights)
{
    if (weights.format == WeightFormat::None) {
        return "the weights are missing (neither model.safetensors nor its index): copy them into "
               "the folder, or finish the download";
    }
    if (!weights.missing.empty()) {
        const bool isOne = weights.missing.size() == 1;
        return fmt::format("{} of {} weight files{} {} missing ({}{}): copy {} into the folder, "
                           "or finish the download",
                           weights.missing.size(),
                           static_cast<std::int64_t>(weights.missing.size()) + weights.files,
                           weights.index.empty() ? "" : " named by " + weights.index,
                           isOne ? "is" : "are", weights.missing.front(), isOne ? "" : ", ...",
                           isOne ? "it" : "them");
    }
    return {};
}

void readConfig(ModelCard& card)
{
    if (!entryExists(card.folder / "config.json")) {
        card.problems.push_back("config.json is missing: without it the shape of the model is not "
                                "known; copy it from where the weights came from");
        return;
    }
    tell(card.problems, [&card] { card.config = readModelConfig(card.folder); });
}

void readWeights(ModelCard& card)
{
    tell(card.problems, [&card] {
        card.weights = listWeights(card.folder);
        if (std::string problem = problemOf(card.weights); !problem.empty()) {
            card.problems.push_back(std::move(problem));
        }
    });
}

void readTokenizer(ModelCard& card)
{
    const bool isSentencePiece = entryExists(card.folder / "tokenizer.model");
    if (!isSentencePiece && !entryExists(card.folder / "tokenizer.json")) {
        card.warnings.push_back(
            "there is no tokenizer (tokenizer.model or tokenizer.json): text can be neither read "
            "nor written, only data that is token ids already can be used");
        return;
    }
    card.tokenizerKind = isSentencePiece ? "sentencepiece" : "byte-pair encoding";
    tell(card.problems, [&card] { card.tokenizer = loadTokenizer(card.folder); });
}

void readTemplate(ModelCard& card)
{
    const PromptFormat format = PromptFormat::readOrPlain(card.folder);
    card.isChat = !format.isPlain() || !format.problem().empty();
    card.templateStyle = format.style();
    card.templateProblem = format.problem();
    if (!format.problem().empty()) {
        card.warnings.push_back("the chat template cannot be used, chats go on as plain text: " +
                                format.problem());
    }
}

/// Rows of the embedding and ids of the tokenizer need not be equally many.
void compareVocabularies(ModelCard& card)
{
    if (!card.config || !card.tokenizer) {
        return;
    }
    const std::int64_t rows = card.config->vocabularySize;
    const std::int64_t ids = card.tokenizer->vocabularySize();
    if (rows < ids) {
        card.warnings.push_back(
            fmt::format("the tokenizer has {} ids, the embedding {} rows: texts with one of the "
                        "last {} ids are refused",
                        formatCount(ids), formatCount(rows), formatCount(ids - rows)));
    } else if (rows > ids) {
        card.warnings.push_back(
            fmt::format("the embedding has {} rows, the tokenizer {} ids: the last {} rows are "
                        "never used, which does no harm",
                        formatCount(rows), formatCount(ids), formatCount(rows - ids)));
    }
}

void checkEnd(ModelCard& card)
{
    tell(card.problems, [&card] {
        const bool hasEnd = !readGenerationEndIds(card.folder).empty() ||
                            (card.config && !card.config->eosTokenIds.empty()) ||
                            (card.tokenizer && card.tokenizer->eosId());
        if (!hasEnd && card.config) {
            card.warnings.push_back("no file names the token that ends a text (eos_token_id): "
                                    "answers end at their longest length only");
        }
    });
}

void addConfig(Inspection& result, const ModelConfig& config)
{
    result.add("family", familyName(config));
    result.add("architecture", config.architecture);
    result.add("parameters", config.parameterCount());
    result.add("layers", config.layerCount);
    result.add("hidden_size", config.hiddenSize);
    result.add("intermediate_size", config.intermediateSize);
    result.add("heads", config.headCount);
    result.add("kv_heads", config.kvHeadCount);
    result.add("head_dim", config.headDim);
    result.add("vocabulary", config.vocabularySize);
    result.add("context", config.contextLength());
    result.add("rope", describeRope(config.rope));
    result.add("rope_meaning", explainRope(config.rope));
    if (config.slidingWindow > 0) {
        result.add("sliding_window", config.slidingWindow);
    }
    result.add("dtype", config.storedDtype);
    result.add("tied_embeddings", config.tiedEmbeddings);
}

} // namespace

ModelCard readModelCard(const fs::path& folder)
{
    ModelCard card;
    card.folder = folder;
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored)) {
        card.problems.push_back(folder.string() +
                                " is not a folder; choose the one with config.json");
        return card;
    }
    readConfig(card);
    readWeights(card);
    readTokenizer(card);
    readTemplate(card);
    compareVocabularies(card);
    checkEnd(card);
    return card;
}

Inspection inspectionOf(const ModelCard& card)
{
    Inspection result;
    result.kind = "model";
    if (card.config) {
        addConfig(result, *card.config);
    }
    result.add("use", std::string(card.isChat ? "chat" : "base: completes text"));
    if (card.isChat) {
        result.add("chat_template",
                   card.templateStyle.empty() ? "cannot be used" : card.templateStyle);
    }
    result.add("tokenizer", card.tokenizer ? fmt::format("{}, {} tokens", card.tokenizerKind,
                                                         card.tokenizer->vocabularySize())
                            : card.tokenizerKind.empty()
                                ? std::string("none: text cannot be read or written")
                                : card.tokenizerKind + ", cannot be read");
    result.add("weights", describeWeights(card.weights));
    result.add("weight_files", card.weights.files);
    result.add("weight_bytes", card.weights.bytes);
    result.problems = card.problems;
    result.warnings = card.warnings;
    return result;
}

std::string familyName(const ModelConfig& config)
{
    constexpr std::array<std::pair<std::string_view, const char*>, 5> kNames = {{
        {"llama", "Llama"},
        {"mistral", "Mistral"},
        {"qwen2", "Qwen2"},
        {"qwen3", "Qwen3"},
        {"gpt_neox", "GPT-NeoX"},
    }};
    const std::string_view type = familyOf(config).modelType;
    for (const auto& [modelType, name] : kNames) {
        if (type == modelType) {
            return name;
        }
    }
    return std::string(type);
}

std::string explainRope(const RopeScaling& rope)
{
    switch (rope.kind) {
    case RopeKind::Default:
        return "positions are used as they are";
    case RopeKind::Linear:
        return fmt::format("every position is divided by {}", rope.factor);
    case RopeKind::Dynamic:
        return fmt::format("beyond {} tokens the slow frequencies are stretched, the more the "
                           "longer the text",
                           formatCount(rope.originalMaxPositionEmbeddings));
    case RopeKind::Yarn:
        return fmt::format("slow frequencies are stretched by {}, fast ones kept, those between "
                           "blended; attention is sharpened",
                           rope.factor);
    case RopeKind::Llama3:
        return fmt::format("slow frequencies are stretched by {}, fast ones kept, those between "
                           "blended",
                           rope.factor);
    }
    return {};
}

ModelSummary summarizeModel(const fs::path& folder, std::string name)
{
    ModelSummary summary;
    summary.folder = folder;
    summary.name = name.empty() ? folder.lexically_normal().filename().string() : std::move(name);
    try {
        const ModelConfig config = readModelConfig(folder);
        summary.family = familyName(config);
        summary.parameters = config.parameterCount();
        const WeightListing weights = listWeights(folder);
        summary.bytes = weights.bytes;
        summary.problem = problemOf(weights);
    } catch (const Error& error) {
        summary.problem = error.describe();
    }
    return summary;
}

} // namespace longlora
