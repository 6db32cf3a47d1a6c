// SPDX-License-Identifier: GPL-3.0-or-later
// Source: the published tokenizer.json files of GPT-2, GPT-NeoX, SmolLM2, StarCoder2, Llama 3 and
// Qwen2; the names are those of llama.cpp (llama-vocab.cpp).
#include "core/engine/checkpoint/gguf/pre_tokenizer_kind.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace longlora {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// Of those that do the same, the first is written.
constexpr std::array<PreTokenizerKind, 9> kKinds = {{
    {.name = "gpt-2", .pattern = {}},
    {.name = "olmo", .pattern = {}, .composes = true}, // GPT-NeoX's
    {.name = "smollm", .pattern = {}, .splitsDigits = true},
    {.name = "starcoder", .pattern = {}, .splitsDigits = true},
    {.name = "llama-bpe", .pattern = kLlama3, .ignoresMerges = true, .addsBos = true},
    {.name = "llama3", .pattern = kLlama3, .ignoresMerges = true, .addsBos = true},
    {.name = "llama-v3", .pattern = kLlama3, .ignoresMerges = true, .addsBos = true},
    {.name = "smaug-bpe", .pattern = kLlama3},
    {.name = "qwen2", .pattern = kQwen2, .composes = true},
}};

/// A pre-tokenizer part by part; empty as soon as one of them is not what byte-level kinds have.
struct Parts {
    std::string pattern;
    bool splitsDigits = false;
    bool usesPattern = false; ///< of ByteLevel: GPT-2's
    bool isByteLevel = false;
};

bool isByteLevelPart(const JsonObject& part, Parts& parts)
{
    parts.isByteLevel = true;
    parts.usesPattern = part.booleanOr("use_regex", true);
    return !part.booleanOr("add_prefix_space", true) && parts.usesPattern == parts.pattern.empty();
}

bool isSplitPart(const JsonObject& part, Parts& parts)
{
    if (!part.isObject("pattern") || !part.object("pattern").isString("Regex") ||
        !parts.pattern.empty()) {
        return false;
    }
    parts.pattern = part.object("pattern").text("Regex");
    return part.textOr("behavior", "") == "Isolated" && !part.booleanOr("invert", false);
}

/// Whether `part` belongs to one of the kinds, so far; adds it to `parts`.
bool take(const JsonObject& part, Parts& parts)
{
    const std::string type = part.textOr("type", "");
    if (parts.isByteLevel) {
        return false;
    }
    if (type == "Sequence") {
        const auto inner = part.objects("pretokenizers");
        return std::all_of(inner.begin(), inner.end(),
                           [&](const JsonObject& one) { return take(one, parts); });
    }
    if (type == "Digits") {
        const bool isFirst = parts.pattern.empty() && !parts.splitsDigits;
        parts.splitsDigits = true;
        return isFirst && part.booleanOr("individual_digits", false);
    }
    if (type == "Split") {
        return isSplitPart(part, parts);
    }
    return type == "ByteLevel" && isByteLevelPart(part, parts);
}

/// Whether a text is composed; empty: something else is done to it.
std::optional<bool> composes(const JsonObject& root)
{
    if (!root.has("normalizer")) {
        return false;
    }
    const JsonObject normalizer = root.object("normalizer");
    if (normalizer.textOr("type", "") == "NFC") {
        return true;
    }
    const bool isEmpty =
        normalizer.textOr("type", "") == "Sequence" && normalizer.objects("normalizers").empty();
    return isEmpty ? std::optional(false) : std::nullopt;
}

Json byteLevel(bool usesPattern)
{
    return {{"type", "ByteLevel"},
            {"add_prefix_space", false},
            {"trim_offsets", true},
            {"use_regex", usesPattern}};
}

} // namespace

const PreTokenizerKind* findPreTokenizer(std::string_view name)
{
    const auto* const found = std::find_if(kKinds.begin(), kKinds.end(),
                                           [&](const auto& kind) { return kind.name == name; });
    return found == kKinds.end() ? nullptr : found;
}

std::string knownPreTokenizers()
{
    std::string names;
    for (const PreTokenizerKind& kind : kKinds) {
        names += (names.empty() ? "" : ", ") + std::string(kind.name);
    }
    return names;
}

const PreTokenizerKind* preTokenizerOf(const JsonObject& root)
{
    const std::optional<bool> isComposed = composes(root);
    Parts parts;
    if (!isComposed || !root.has("pre_tokenizer") || !take(root.object("pre_tokenizer"), parts) ||
        !parts.isByteLevel) {
        return nullptr;
    }
    const bool ignoresMerges = root.object("model").booleanOr("ignore_merges", false);
    const auto* const found = std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& kind) {
        return kind.pattern == parts.pattern && kind.splitsDigits == parts.splitsDigits &&
               kind.composes == *isComposed && kind.ignoresMerges == ignoresMerges;
    });
    return found == kKinds.end() ? nullptr : found;
}

std::string normalizerJson(const PreTokenizerKind& kind)
{
    return kind.composes ? R"({"type":"NFC"})" : "null";
}

std::string preTokenizerJson(const PreTokenizerKind& kind)
{
    Json stages = Json::array();
    if (kind.splitsDigits) {
        stages.push_back({{"type", "Digits"}, {"individual_digits", true}});
    }
    if (!kind.pattern.empty()) {
        stages.push_back({{"type", "Split"},
                          {"pattern", {{"Regex", kind.pattern}}},
                          {"behavior", "Isolated"},
                          {"invert", false}});
    }
    stages.push_back(byteLevel(kind.pattern.empty()));
    const Json whole =
        stages.size() == 1 ? stages.front() : Json{{"type", "Sequence"}, {"pretokenizers", stages}};
    return whole.dump();
}

} // namespace longlora
