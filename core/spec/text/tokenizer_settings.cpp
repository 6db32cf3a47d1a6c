// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/tokenizer_settings.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/json_object.h"

#include <charconv>
#include <map>
#include <utility>

namespace longlora {

namespace {

// A chat template of 1 MB and twenty thousand added tokens have room.
constexpr JsonLimits kLimits = {std::size_t{16} << 20, 16};
constexpr std::size_t kAddedTokens = 20'000;
constexpr std::size_t kAddedTokenBytes = 4096;
constexpr TokenId kLargestId = 2'100'000;

using TokensById = std::map<TokenId, AddedToken>;

/// An empty object if there is no such file.
JsonObject readObject(const std::filesystem::path& path)
{
    const bool exists = entryExists(path);
    return JsonObject::parse(exists ? readWholeFile(path, kLimits.bytes) : "{}", path.string(),
                             kLimits);
}

/// A token is a string or an object with "content"; null and absence mean none.
std::optional<std::string> tokenOf(const JsonObject& config, const char* key)
{
    if (!config.has(key)) {
        return std::nullopt;
    }
    return config.isObject(key) ? config.object(key).text("content") : config.text(key);
}

void add(TokensById& tokens, AddedToken token, const JsonObject& source, const std::string& key)
{
    if (token.text.empty() || token.text.size() > kAddedTokenBytes) {
        source.refuse(key, "the token is empty or longer than 4,096 bytes");
    }
    if (tokens.size() == kAddedTokens) {
        source.refuse(key, "there are more than 20,000 added tokens");
    }
    tokens.try_emplace(token.id, std::move(token));
}

/// {"<id>": {"content": ..., "special": ...}}
void addDecoder(const JsonObject& decoder, TokensById& tokens)
{
    for (const std::string& key : decoder.keys()) {
        TokenId id = 0;
        const char* end = key.data() + key.size();
        const auto [stop, error] = std::from_chars(key.data(), end, id);
        if (error != std::errc() || stop != end || id < 0 || id > kLargestId) {
            decoder.refuse(key, "the id is not between 0 and 2,100,000");
        }
        const JsonObject entry = decoder.object(key);
        if (entry.booleanOr("single_word", false)) {
            entry.refuse("single_word", "tokens that only match whole words are not supported");
        }
        const bool isSpecial = entry.booleanOr("special", false);
        add(tokens,
            {id, entry.text("content"), isSpecial, entry.booleanOr("lstrip", false),
             entry.booleanOr("rstrip", false), entry.booleanOr("normalized", !isSpecial)},
            decoder, key);
    }
}

} // namespace

TokenizerSettings readTokenizerSettings(const std::filesystem::path& folder)
{
    const JsonObject config = readObject(folder / "tokenizer_config.json");
    TokenizerSettings settings;
    settings.legacy = config.booleanOr("legacy", true);
    if (config.has("add_bos_token")) {
        settings.addBos = config.boolean("add_bos_token");
    }
    settings.addPrefixSpace = config.booleanOr("add_prefix_space", true);
    settings.bosToken = tokenOf(config, "bos_token");
    settings.eosToken = tokenOf(config, "eos_token");
    settings.unkToken = tokenOf(config, "unk_token");

    TokensById tokens;
    if (config.has("added_tokens_decoder")) {
        addDecoder(config.object("added_tokens_decoder"), tokens);
    }
    // {"<text>": id}: an older file that knows less; what the other says of an id stays.
    const JsonObject added = readObject(folder / "added_tokens.json");
    for (const std::string& text : added.keys()) {
        const auto id = static_cast<TokenId>(added.integer(text, 0, kLargestId));
        AddedToken token = {id, text};
        token.isDescribed = false;
        add(tokens, std::move(token), added, text);
    }
    for (auto& [id, token] : tokens) {
        settings.addedTokens.push_back(std::move(token));
    }
    return settings;
}

} // namespace longlora
