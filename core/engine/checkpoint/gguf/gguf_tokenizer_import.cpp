// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/gguf_token_types.h"
#include "core/engine/checkpoint/gguf/gguf_tokenizer.h"
#include "core/engine/checkpoint/gguf/pre_tokenizer_kind.h"
#include "core/engine/checkpoint/gguf/printable.h"
#include "core/spec/base/error.h"
#include "core/spec/text/sentencepiece_write.h"
#include "core/spec/text/utf8.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <unordered_set>

namespace longlora {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kScores = "tokenizer.ggml.scores";
constexpr const char* kMerges = "tokenizer.ggml.merges";

/// Tokens and types, checked against each other and against the model.
struct Vocabulary {
    const std::vector<std::string>& tokens;
    std::vector<TokenType> types;
    /// From here on there are only added tokens, which are no part of the vocabulary proper.
    std::size_t ordinaryCount = 0;
};

Vocabulary readVocabulary(const GgufMetadata& metadata, const ModelConfig& config)
{
    Vocabulary vocabulary{metadata.texts(kTokens), {}};
    const std::size_t count = vocabulary.tokens.size();
    if (static_cast<std::int64_t>(count) > config.vocabularySize) {
        metadata.refuse(kTokens, fmt::format("{} tokens, but the model has only {} rows for them",
                                             count, config.vocabularySize));
    }
    vocabulary.types.assign(count, TokenType::Normal);
    if (metadata.has(kTypes)) {
        const std::vector<std::int64_t>& types = metadata.integers(kTypes);
        if (types.size() != count) {
            metadata.refuse(kTypes, fmt::format("{} types for {} tokens", types.size(), count));
        }
        for (std::size_t id = 0; id < count; ++id) {
            if (types[id] < 1 || types[id] > 6) {
                metadata.refuse(kTypes,
                                fmt::format("token {} has the unknown type {}", id, types[id]));
            }
            vocabulary.types[id] = static_cast<TokenType>(types[id]);
        }
    }
    for (std::size_t id = 0; id < count; ++id) {
        if (firstInvalidUtf8(vocabulary.tokens[id])) {
            metadata.refuse(kTokens, fmt::format("token {} is not UTF-8", id));
        }
        const TokenType type = vocabulary.types[id];
        if (!isAdded(type) && !isFiller(vocabulary.tokens[id], id, type)) {
            vocabulary.ordinaryCount = id + 1;
        }
    }
    return vocabulary;
}

/// The text of the token whose id stands under `key`, as it is found in texts.
std::optional<std::string> tokenAt(const GgufMetadata& metadata, const Vocabulary& vocabulary,
                                   const std::string& key)
{
    if (!metadata.has(key)) {
        return std::nullopt;
    }
    const auto last = static_cast<std::int64_t>(vocabulary.tokens.size()) - 1;
    return vocabulary.tokens[static_cast<std::size_t>(metadata.integer(key, 0, last))];
}

/// One entry for tokenizer.json ("id" inside) or for tokenizer_config.json (the id as key).
Json addedToken(const std::string& text, bool isSpecial)
{
    return {{"content", text}, {"single_word", false}, {"lstrip", false},
            {"rstrip", false}, {"normalized", false},  {"special", isSpecial}};
}

/// Calls `take(id, text as found in texts, special)` for tokens that are no ordinary ones.
template <class Take>
void forEachAdded(const Vocabulary& vocabulary, Take&& take)
{
    for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
        const TokenType type = vocabulary.types[id];
        if (isAdded(type) && !vocabulary.tokens[id].empty()) {
            take(id,
                 type == TokenType::UserDefined ? withSpaces(vocabulary.tokens[id])
                                                : vocabulary.tokens[id],
                 type != TokenType::UserDefined);
        }
    }
}

/// tokenizer_config.json: what both kinds have in common.
Json settingsOf(const GgufMetadata& metadata, const Vocabulary& vocabulary,
                const ModelConfig& config, bool addsBos)
{
    Json settings = Json::object();
    settings["add_bos_token"] = metadata.booleanOr("tokenizer.ggml.add_bos_token", addsBos);
    settings["add_eos_token"] = metadata.booleanOr("tokenizer.ggml.add_eos_token", false);
    Json added = Json::object();
    forEachAdded(vocabulary, [&](std::size_t id, const std::string& text, bool isSpecial) {
        added[std::to_string(id)] = addedToken(text, isSpecial);
    });
    settings["added_tokens_decoder"] = std::move(added);
    constexpr std::pair<const char*, const char*> kNames[] = {
        {"bos_token", "tokenizer.ggml.bos_token_id"},
        {"eos_token", "tokenizer.ggml.eos_token_id"},
        {"unk_token", "tokenizer.ggml.unknown_token_id"},
        {"pad_token", "tokenizer.ggml.padding_token_id"},
    };
    for (const auto& [name, key] : kNames) {
        if (const auto token = tokenAt(metadata, vocabulary, key)) {
            settings[name] = *token;
        }
    }
    settings["clean_up_tokenization_spaces"] = false;
    settings["model_max_length"] = config.contextLength();
    if (metadata.has("tokenizer.chat_template")) {
        const std::string source = metadata.text("tokenizer.chat_template");
        if (firstInvalidUtf8(source)) {
            metadata.refuse("tokenizer.chat_template", "is not UTF-8");
        }
        settings["chat_template"] = source;
    }
    return settings;
}

// ---- sentencepiece ---------------------------------------------------------------------------

SentencePieceModel pieceModelOf(const GgufMetadata& metadata, const Vocabulary& vocabulary)
{
    const std::vector<double>& scores = metadata.numbers(kScores);
    if (scores.size() != vocabulary.tokens.size()) {
        metadata.refuse(kScores, fmt::format("{} scores for {} tokens", scores.size(),
                                             vocabulary.tokens.size()));
    }
    SentencePieceModel model;
    model.addDummyPrefix = metadata.booleanOr("tokenizer.ggml.add_space_prefix", true);
    model.removeExtraWhitespaces =
        metadata.booleanOr("tokenizer.ggml.remove_extra_whitespaces", false);
    const auto unknown = metadata.integerOr("tokenizer.ggml.unknown_token_id", -1, 0,
                                            std::ssize(vocabulary.tokens) - 1);
    const bool hasUnknown = std::find(vocabulary.types.begin(), vocabulary.types.end(),
                                      TokenType::Unknown) != vocabulary.types.end();
    for (std::size_t id = 0; id < vocabulary.ordinaryCount; ++id) {
        SentencePiece piece{vocabulary.tokens[id], static_cast<float>(scores[id]),
                            pieceTypeOf(vocabulary.types[id])};
        if (piece.type == PieceType::UserDefined) {
            piece.text = withSpaceSymbols(piece.text);
        }
        // llama.cpp's converter calls it a control token if tokenizer_config.json lists it.
        if (!hasUnknown && static_cast<std::int64_t>(id) == unknown) {
            piece.type = PieceType::Unknown;
        }
        if (piece.type == PieceType::Unknown) {
            model.unkPiece = piece.text;
        }
        model.pieces.push_back(std::move(piece));
    }
    model.bosPiece =
        tokenAt(metadata, vocabulary, "tokenizer.ggml.bos_token_id").value_or(model.bosPiece);
    model.eosPiece =
        tokenAt(metadata, vocabulary, "tokenizer.ggml.eos_token_id").value_or(model.eosPiece);
    return model;
}

std::vector<TextFile> sentencePieceFiles(const GgufMetadata& metadata, const ModelConfig& config)
{
    if (metadata.has("tokenizer.ggml.precompiled_charsmap")) {
        metadata.refuse("tokenizer.ggml.precompiled_charsmap",
                        "character maps are not supported in this kind of tokenizer");
    }
    const Vocabulary vocabulary = readVocabulary(metadata, config);
    const SentencePieceModel model = pieceModelOf(metadata, vocabulary);
    std::string bytes = sentencePieceModelBytes(model);
    readSentencePieceModel(bytes, metadata.file() + " (tokenizer)"); // the gate's rules
    Json settings = settingsOf(metadata, vocabulary, config, true);
    // GGUF does not say it; published tokenizers of this kind have said false since 2023.
    settings["legacy"] = metadata.booleanOr(kLegacyKey, false);
    if (!model.addDummyPrefix) {
        settings["add_prefix_space"] = false;
    }
    settings["tokenizer_class"] = "LlamaTokenizer";
    return {{"tokenizer.model", std::move(bytes)},
            {"tokenizer_config.json", settings.dump(2) + "\n"}};
}

// ---- byte-level byte-pair encoding -----------------------------------------------------------

const PreTokenizerKind& preTokenizer(const GgufMetadata& metadata, const ModelConfig& config)
{
    constexpr const char* kKey = "tokenizer.ggml.pre";
    const std::string name = metadata.textOr(kKey, "default");
    // The files of GPT-NeoX are older than the key, and all have the same tokenizer.
    const bool isOldNeox = name == "default" && config.fusedQueryKeyValue;
    const PreTokenizerKind* const kind = findPreTokenizer(isOldNeox ? "olmo" : name);
    if (kind == nullptr) {
        metadata.refuse(kKey,
                        name == "default"
                            ? "the file does not say how a text is split into words"
                            : "how \"" + printable(name) + "\" splits a text is not known exactly",
                        "Known: " + knownPreTokenizers() +
                            ". Take the tokenizer from the model's Hugging Face folder.");
    }
    return *kind;
}

Json vocabularyJson(const GgufMetadata& metadata, const Vocabulary& vocabulary)
{
    Json vocab = Json::object();
    auto& entries = vocab.get_ref<Json::object_t&>();
    std::unordered_set<std::string_view> seen;
    for (std::size_t id = 0; id < vocabulary.ordinaryCount; ++id) {
        const std::string& token = vocabulary.tokens[id];
        if (isFiller(token, id, vocabulary.types[id])) {
            continue;
        }
        if (!seen.insert(token).second) {
            metadata.refuse(
                kTokens, fmt::format("token {}, \"{}\", stands there twice", id, printable(token)));
        }
        // Looking for the place of a key would take time in proportion to the keys before it.
        entries.emplace_back(token, id);
    }
    return vocab;
}

Json mergesJson(const GgufMetadata& metadata)
{
    Json merges = Json::array();
    for (const std::string& merge : metadata.texts(kMerges)) {
        const std::size_t space = merge.find(' ', 1);
        if (space == std::string::npos || space + 1 == merge.size() || firstInvalidUtf8(merge)) {
            metadata.refuse(kMerges, fmt::format("merge {}, \"{}\", is not two tokens",
                                                 merges.size(), printable(merge)));
        }
        merges.push_back(Json::array({merge.substr(0, space), merge.substr(space + 1)}));
    }
    return merges;
}

/// {"SpecialToken": ...} of a template.
Json specialPart(const std::string& token, int typeId)
{
    return {{"SpecialToken", {{"id", token}, {"type_id", typeId}}}};
}

/// "post_processor": BOS and EOS around a text, as far as they are added.
Json postProcessorOf(const GgufMetadata& metadata, const Json& settings)
{
    Json single = Json::array();
    Json pair = Json::array();
    Json special = Json::object();
    const auto add = [&](const char* name, const char* key, int typeId, Json& parts) {
        const std::string token = settings.at(name).get<std::string>();
        parts.push_back(specialPart(token, typeId));
        special[token] = {{"id", token},
                          {"ids", Json::array({metadata.integer(key, 0, INT32_MAX)})},
                          {"tokens", Json::array({token})}};
    };
    const bool addsBos = settings.at("add_bos_token").get<bool>() && settings.contains("bos_token");
    const bool addsEos = settings.at("add_eos_token").get<bool>() && settings.contains("eos_token");
    if (!addsBos && !addsEos) {
        return nullptr;
    }
    const auto addText = [&](const char* id, int typeId, Json& parts) {
        if (addsBos) {
            add("bos_token", "tokenizer.ggml.bos_token_id", typeId, parts);
        }
        parts.push_back({{"Sequence", {{"id", id}, {"type_id", typeId}}}});
        if (addsEos) {
            add("eos_token", "tokenizer.ggml.eos_token_id", typeId, parts);
        }
    };
    addText("A", 0, single);
    addText("A", 0, pair);
    addText("B", 1, pair);
    return {{"type", "TemplateProcessing"},
            {"single", single},
            {"pair", pair},
            {"special_tokens", special}};
}

std::vector<TextFile> bytePairFiles(const GgufMetadata& metadata, const ModelConfig& config)
{
    const PreTokenizerKind& kind = preTokenizer(metadata, config);
    const Vocabulary vocabulary = readVocabulary(metadata, config);
    Json settings = settingsOf(metadata, vocabulary, config, kind.addsBos);
    Json added = Json::array();
    forEachAdded(vocabulary, [&](std::size_t id, const std::string& text, bool isSpecial) {
        Json entry = {{"id", id}};
        entry.update(addedToken(text, isSpecial));
        added.push_back(std::move(entry));
    });
    Json json = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
    json["added_tokens"] = std::move(added);
    json["normalizer"] = Json::parse(normalizerJson(kind));
    json["pre_tokenizer"] = Json::parse(preTokenizerJson(kind));
    json["post_processor"] = postProcessorOf(metadata, settings);
    json["decoder"] = {{"type", "ByteLevel"},
                       {"add_prefix_space", true},
                       {"trim_offsets", true},
                       {"use_regex", true}};
    json["model"] = {{"type", "BPE"},
                     {"dropout", nullptr},
                     {"unk_token", nullptr},
                     {"continuing_subword_prefix", nullptr},
                     {"end_of_word_suffix", nullptr},
                     {"fuse_unk", false},
                     {"byte_fallback", false},
                     {"ignore_merges", kind.ignoresMerges}};
    json["model"]["vocab"] = vocabularyJson(metadata, vocabulary);
    json["model"]["merges"] = mergesJson(metadata);
    settings["tokenizer_class"] = "PreTrainedTokenizerFast";
    return {{"tokenizer.json", json.dump(1) + "\n"},
            {"tokenizer_config.json", settings.dump(2) + "\n"}};
}

} // namespace

std::vector<TextFile> tokenizerFilesOf(const GgufMetadata& metadata, const ModelConfig& config)
{
    constexpr const char* kModel = "tokenizer.ggml.model";
    const std::string kind = metadata.textOr(kModel, "none");
    if (kind == "none" || kind == "no_vocab") {
        return {};
    }
    if (kind == "llama") {
        return sentencePieceFiles(metadata, config);
    }
    if (kind == "gpt2") {
        return bytePairFiles(metadata, config);
    }
    metadata.refuse(kModel, "tokenizers of kind \"" + printable(kind) + "\" are not supported",
                    "Supported: llama (sentencepiece) and gpt2 (byte-pair encoding).");
}

} // namespace longlora
