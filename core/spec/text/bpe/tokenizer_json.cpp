// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/tokenizer_json.h"

#include "core/spec/base/error.h"
#include "core/spec/text/bpe/tokenizer_json_text.h"
#include "core/spec/text/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <utility>

namespace longlora {

namespace {

constexpr std::size_t kSteps = 64;
constexpr std::size_t kTextBytes = 4096;
constexpr std::size_t kTemplateIds = 16;
constexpr std::size_t kAddedTokens = 20'000;
constexpr TokenId kLargestId = 2'100'000;

// Radford et al. 2019 (GPT-2), the pattern of the published encoder.
constexpr std::string_view kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// A field that is not known may change the ids.
void requireKnownKeys(const JsonObject& part, std::initializer_list<std::string_view> known)
{
    for (const std::string& key : part.keys()) {
        if (part.has(key) && std::find(known.begin(), known.end(), key) == known.end()) {
            part.refuse(key, "not known; it may change the ids");
        }
    }
}

/// "type" with what is wrong about it.
[[noreturn]] void refuseType(const JsonObject& part, const std::string& what,
                             std::string_view known)
{
    part.refuse("type", fmt::format("the {} {} is not supported; supported are {}", what,
                                    part.text("type"), known));
}

std::string shortText(const JsonObject& part, const char* key)
{
    std::string text = part.text(key);
    if (text.empty() || text.size() > kTextBytes) {
        part.refuse(key, "must have 1 to 4,096 bytes");
    }
    return text;
}

std::string character(const JsonObject& part, const char* key)
{
    std::string text = part.text(key);
    if (text.empty() || utf8CharacterLength(text, 0) != text.size()) {
        part.refuse(key, "must be one character");
    }
    return text;
}

template <class Step>
void append(std::vector<Step>& steps, Step step, const JsonObject& part)
{
    if (steps.size() == kSteps) {
        part.refuse("type", "more than 64 steps");
    }
    steps.push_back(std::move(step));
}

/// {"pattern": {"String": ...}, "content": ...} of a normalizer or a decoder.
ReplaceText readReplace(const JsonObject& part)
{
    requireKnownKeys(part, {"type", "pattern", "content"});
    const JsonObject pattern = part.object("pattern");
    requireKnownKeys(pattern, {"String"});
    ReplaceText replacement = {shortText(pattern, "String"), part.text("content")};
    if (replacement.content.size() > kTextBytes) {
        part.refuse("content", "longer than 4,096 bytes");
    }
    return replacement;
}

void readNormalizer(const JsonObject& part, std::vector<NormalizerStep>& steps)
{
    const std::string type = part.text("type");
    if (type == "Sequence") {
        requireKnownKeys(part, {"type", "normalizers"});
        for (const JsonObject& inner : part.objects("normalizers")) {
            readNormalizer(inner, steps);
        }
    } else if (type == "NFC") {
        requireKnownKeys(part, {"type"});
        append<NormalizerStep>(steps, ComposeCanonically{}, part);
    } else if (type == "Prepend") {
        requireKnownKeys(part, {"type", "prepend"});
        append<NormalizerStep>(steps, PrependText{shortText(part, "prepend")}, part);
    } else if (type == "Replace") {
        append<NormalizerStep>(steps, readReplace(part), part);
    } else {
        refuseType(part, "normalizer", "Sequence, NFC, Prepend and Replace");
    }
}

SplitBehavior readBehavior(const JsonObject& part)
{
    constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> kBehaviors = {
        {{"Removed", SplitBehavior::Removed},
         {"Isolated", SplitBehavior::Isolated},
         {"MergedWithPrevious", SplitBehavior::MergedWithPrevious},
         {"MergedWithNext", SplitBehavior::MergedWithNext},
         {"Contiguous", SplitBehavior::Contiguous}}};
    const std::string name = part.text("behavior");
    for (const auto& [known, behavior] : kBehaviors) {
        if (name == known) {
            return behavior;
        }
    }
    part.refuse("behavior", "\"" + name + "\" is not known");
}

PreTokenizerStage readSplit(const JsonObject& part)
{
    requireKnownKeys(part, {"type", "pattern", "behavior", "invert"});
    const JsonObject pattern = part.object("pattern");
    requireKnownKeys(pattern, {"String", "Regex"});
    const SplitBehavior behavior = readBehavior(part);
    const bool invert = part.boolean("invert");
    if (!pattern.has("Regex")) {
        return LiteralSplit{shortText(pattern, "String"), behavior, invert};
    }
    try {
        return PatternSplit{SplitPattern(pattern.text("Regex")), behavior, invert};
    } catch (const DataError& error) {
        pattern.refuse("Regex", error.what());
    }
}

/// "replacement" and how a symbol is put before a text, of a pre-tokenizer or a decoder.
MetaspaceSplit readMetaspace(const JsonObject& part)
{
    using Prepend = MetaspaceSplit::Prepend;
    requireKnownKeys(
        part, {"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
    MetaspaceSplit metaspace;
    metaspace.symbol = character(part, "replacement");
    const std::string scheme = part.textOr("prepend_scheme", "always");
    if (scheme != "always" && scheme != "first" && scheme != "never") {
        part.refuse("prepend_scheme", "\"" + scheme + "\" is not known");
    }
    metaspace.prepend = scheme == "always"  ? Prepend::Always
                        : scheme == "first" ? Prepend::First
                                            : Prepend::Never;
    if (!part.booleanOr("add_prefix_space", true)) {
        if (part.has("prepend_scheme") && scheme != "never") {
            part.refuse("add_prefix_space", "false contradicts prepend_scheme \"" + scheme + "\"");
        }
        metaspace.prepend = Prepend::Never;
    }
    metaspace.splits = part.booleanOr("split", true);
    return metaspace;
}

void readPreTokenizer(const JsonObject& part, TokenizerJson& json)
{
    auto& stages = json.preTokenizer;
    const std::string type = part.text("type");
    if (json.model.isByteLevel) {
        part.refuse("type", "nothing can follow ByteLevel, which must come last");
    }
    if (type == "Sequence") {
        requireKnownKeys(part, {"type", "pretokenizers"});
        for (const JsonObject& inner : part.objects("pretokenizers")) {
            readPreTokenizer(inner, json);
        }
    } else if (type == "ByteLevel") {
        requireKnownKeys(part, {"type", "add_prefix_space", "trim_offsets", "use_regex"});
        if (part.boolean("add_prefix_space")) {
            append<PreTokenizerStage>(stages, SpacePrefix{}, part);
        }
        if (part.booleanOr("use_regex", true)) {
            append<PreTokenizerStage>(stages, PatternSplit{SplitPattern(kByteLevelPattern)}, part);
        }
        json.model.isByteLevel = true;
    } else if (type == "Split") {
        append<PreTokenizerStage>(stages, readSplit(part), part);
    } else if (type == "Digits") {
        requireKnownKeys(part, {"type", "individual_digits"});
        append<PreTokenizerStage>(stages, DigitSplit{part.boolean("individual_digits")}, part);
    } else if (type == "Metaspace") {
        append<PreTokenizerStage>(stages, readMetaspace(part), part);
    } else {
        refuseType(part, "pre-tokenizer", "Sequence, ByteLevel, Split, Digits and Metaspace");
    }
}

void readDecoder(const JsonObject& part, std::vector<DecoderStep>& steps)
{
    const std::string type = part.text("type");
    if (type == "Sequence") {
        requireKnownKeys(part, {"type", "decoders"});
        for (const JsonObject& inner : part.objects("decoders")) {
            readDecoder(inner, steps);
        }
    } else if (type == "ByteLevel") {
        requireKnownKeys(part, {"type", "add_prefix_space", "trim_offsets", "use_regex"});
        append<DecoderStep>(steps, JoinByteLevel{}, part);
    } else if (type == "ByteFallback" || type == "Fuse") {
        requireKnownKeys(part, {"type"});
        append(steps, type == "Fuse" ? DecoderStep(FuseTokens{}) : DecoderStep(JoinBytes{}), part);
    } else if (type == "Strip") {
        requireKnownKeys(part, {"type", "content", "start", "stop"});
        const auto count = [&](const char* key) {
            return static_cast<std::size_t>(part.integer(key, 0, kTextBytes));
        };
        append<DecoderStep>(
            steps, StripTokens{character(part, "content"), count("start"), count("stop")}, part);
    } else if (type == "Replace") {
        append<DecoderStep>(steps, readReplace(part), part);
    } else if (type == "Metaspace") {
        const MetaspaceSplit metaspace = readMetaspace(part);
        const bool drops = metaspace.prepend != MetaspaceSplit::Prepend::Never;
        append<DecoderStep>(steps, MetaspaceToSpace{metaspace.symbol, drops}, part);
    } else {
        refuseType(part, "decoder",
                   "Sequence, ByteLevel, ByteFallback, Fuse, Strip, Replace and Metaspace");
    }
}

/// [{"SpecialToken": {"id": ...}}, {"Sequence": {"id": "A"}}, ...]
void readTemplate(const JsonObject& part, TokenizerJson& json)
{
    requireKnownKeys(part, {"type", "single", "pair", "special_tokens"});
    bool hasText = false;
    for (const JsonObject& piece : part.objects("single")) {
        requireKnownKeys(piece, {"SpecialToken", "Sequence"});
        if (piece.has("Sequence")) {
            if (hasText || piece.object("Sequence").text("id") != "A") {
                piece.refuse("Sequence", "must be \"A\", once");
            }
            hasText = true;
            continue;
        }
        const std::string name = piece.object("SpecialToken").text("id");
        const JsonObject token = part.object("special_tokens").object(name);
        std::vector<TokenId>& ids = hasText ? json.after : json.before;
        for (const std::int64_t id : token.integers("ids", 0, kLargestId)) {
            ids.push_back(static_cast<TokenId>(id));
        }
        if (ids.size() > kTemplateIds) {
            token.refuse("ids", "more than 16 tokens beside a text");
        }
    }
    if (!hasText) {
        part.refuse("single", "has no place for the text");
    }
}

void readPostProcessor(const JsonObject& part, TokenizerJson& json)
{
    const std::string type = part.text("type");
    if (type == "Sequence") {
        requireKnownKeys(part, {"type", "processors"});
        for (const JsonObject& inner : part.objects("processors")) {
            readPostProcessor(inner, json);
        }
    } else if (type == "TemplateProcessing") {
        if (!json.before.empty() || !json.after.empty()) {
            part.refuse("type", "a second template is not supported");
        }
        readTemplate(part, json);
    } else if (type == "ByteLevel") { // changes offsets, which nobody asks for
        requireKnownKeys(part, {"type", "add_prefix_space", "trim_offsets", "use_regex"});
    } else {
        refuseType(part, "post-processor", "Sequence, TemplateProcessing and ByteLevel");
    }
}

void readAddedTokens(const JsonObject& root, std::vector<AddedToken>& tokens)
{
    for (const JsonObject& entry : root.objects("added_tokens")) {
        requireKnownKeys(
            entry, {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
        if (entry.booleanOr("single_word", false)) {
            entry.refuse("single_word", "tokens that only match whole words are not supported");
        }
        if (tokens.size() == kAddedTokens) {
            entry.refuse("id", "there are more than 20,000 added tokens");
        }
        AddedToken token;
        token.id = static_cast<TokenId>(entry.integer("id", 0, kLargestId));
        token.text = shortText(entry, "content");
        token.special = entry.booleanOr("special", false);
        token.stripLeft = entry.booleanOr("lstrip", false);
        token.stripRight = entry.booleanOr("rstrip", false);
        token.normalized = entry.booleanOr("normalized", !token.special);
        tokens.push_back(std::move(token));
    }
}

void readModel(const JsonObject& model, TokenizerJsonText& text, BpeParts& parts)
{
    // The oldest files name no type.
    if (model.textOr("type", "BPE") != "BPE") {
        refuseType(model, "model", "BPE");
    }
    requireKnownKeys(model, {"type", "dropout", "unk_token", "continuing_subword_prefix",
                             "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges",
                             "vocab", "merges"});
    if (model.has("dropout") && model.number("dropout", 0, 1) != 0) {
        model.refuse("dropout", "random ids are not supported");
    }
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
        if (!model.textOr(key, "").empty()) {
            model.refuse(key, "only the empty text is supported");
        }
    }
    if (!text.vocabulary) {
        model.refuse("vocab", model.has("vocab") ? "must be an object" : "missing");
    }
    if (!text.merges) {
        model.refuse("merges", model.has("merges") ? "must be an array" : "missing");
    }
    parts.vocabulary = *std::move(text.vocabulary);
    parts.merges = *std::move(text.merges);
    if (model.has("unk_token")) {
        parts.unkToken = model.text("unk_token");
    }
    parts.fuseUnk = model.booleanOr("fuse_unk", false);
    parts.byteFallback = model.booleanOr("byte_fallback", false);
    parts.ignoreMerges = model.booleanOr("ignore_merges", false);
    if (parts.byteFallback && parts.isByteLevel) {
        model.refuse("byte_fallback", "contradicts the pre-tokenizer ByteLevel");
    }
}

} // namespace

TokenizerJson readTokenizerJson(std::string_view text, const std::string& file)
{
    TokenizerJsonText parts = readTokenizerJsonText(text, file);
    const JsonObject& root = parts.rest;
    if (root.textOr("version", "1.0") != "1.0") {
        root.refuse("version", "only 1.0 is known, not " + root.text("version"));
    }
    TokenizerJson json;
    if (root.has("normalizer")) {
        readNormalizer(root.object("normalizer"), json.normalizer);
    }
    if (root.has("pre_tokenizer")) {
        readPreTokenizer(root.object("pre_tokenizer"), json);
    }
    if (root.has("decoder")) {
        readDecoder(root.object("decoder"), json.decoder);
    }
    if (root.has("post_processor")) {
        json.hasPostProcessor = true;
        readPostProcessor(root.object("post_processor"), json);
    }
    if (root.has("added_tokens")) {
        readAddedTokens(root, json.addedTokens);
    }
    readModel(root.object("model"), parts, json.model);
    return json;
}

} // namespace longlora
