// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/json_tokenizer.h"

#include "core/spec/base/error.h"
#include "core/spec/text/bpe/tokenizer_json.h"
#include "core/spec/text/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace longlora {

namespace {

constexpr std::size_t kTextBytes = std::numeric_limits<std::int32_t>::max();

} // namespace

JsonTokenizer::JsonTokenizer(std::string_view text, const std::string& file,
                             const TokenizerSettings& settings)
    : JsonTokenizer(readTokenizerJson(text, file), file, settings)
{}

JsonTokenizer::JsonTokenizer(TokenizerJson json, const std::string& file,
                             const TokenizerSettings& settings)
    : m_model(std::move(json.model), file)
    , m_normalizer(std::move(json.normalizer))
    , m_preTokenizer(std::move(json.preTokenizer))
    , m_decoder(std::move(json.decoder))
{
    addTokens(std::move(json.addedTokens), file);
    addSettings(settings, file);
    findTokensInTexts();
    setEnds(json, settings, file);
}

std::optional<TokenId> JsonTokenizer::idOf(const std::string& token) const
{
    const auto added = m_addedByText.find(token);
    return added == m_addedByText.end() ? m_model.idOf(token) : std::optional(added->second);
}

/// The library numbers new tokens itself: first behind the vocabulary, then behind one another. A
/// file that says otherwise would get other ids there than here.
void JsonTokenizer::addTokens(std::vector<AddedToken> tokens, const std::string& file)
{
    std::int64_t next = m_model.tokenCount();
    for (AddedToken& token : tokens) {
        const std::optional<TokenId> known = idOf(token.text);
        const std::int64_t id = known ? *known : next;
        if (token.id != id) {
            throw FormatError(file, "key added_tokens",
                              fmt::format("\"{}\" has id {} in the file, but {} {}", token.text,
                                          token.id, id,
                                          known ? "in the vocabulary" : "by its place"));
        }
        next += known ? 0 : 1;
        m_addedByText[token.text] = token.id;
        m_added[token.id] = {std::move(token), {}};
    }
}

/// tokenizer_config.json may describe tokens otherwise, and name others that are special.
void JsonTokenizer::addSettings(const TokenizerSettings& settings, const std::string& file)
{
    for (const AddedToken& token : settings.addedTokens) {
        const std::optional<TokenId> known = idOf(token.text);
        if (known && *known != token.id) {
            throw FormatError(file, "",
                              fmt::format("\"{}\" has id {}, but {} in the files beside it",
                                          token.text, *known, token.id));
        }
        if (!known && (m_added.count(token.id) != 0 || m_model.textOf(token.id) != nullptr)) {
            throw FormatError(file, "",
                              fmt::format("id {} belongs to another token than \"{}\", which the "
                                          "files beside it say",
                                          token.id, token.text));
        }
        if (token.isDescribed || m_added.count(token.id) == 0) {
            m_addedByText[token.text] = token.id;
            m_added[token.id] = {token, {}};
        }
    }
    for (const auto& special : {settings.bosToken, settings.eosToken, settings.unkToken}) {
        const std::optional<TokenId> id = special ? idOf(*special) : std::nullopt;
        if (id && m_added.count(*id) == 0) {
            m_addedByText[*special] = *id;
            m_added[*id] = {AddedToken{*id, *special}, {}};
        }
    }
}

void JsonTokenizer::findTokensInTexts()
{
    TokenId largest = m_model.largestId();
    for (auto& [id, added] : m_added) {
        largest = std::max(largest, id);
        if (added.token.normalized) {
            added.normalizedText = m_normalizer.normalize(added.token.text);
            m_inNormalizedText.add(added.normalizedText, added.token);
        } else {
            m_inText.add(added.token.text, added.token);
        }
    }
    m_vocabularySize = std::int64_t{largest} + 1;
}

void JsonTokenizer::setEnds(const TokenizerJson& json, const TokenizerSettings& settings,
                            const std::string& file)
{
    const auto find = [&](const std::optional<std::string>& token) {
        return token ? idOf(*token) : std::nullopt;
    };
    m_bos = find(settings.bosToken);
    m_eos = find(settings.eosToken);
    for (const std::vector<TokenId>& ids : {json.before, json.after}) {
        for (const TokenId id : ids) {
            if (m_added.count(id) == 0 && m_model.textOf(id) == nullptr) {
                throw FormatError(file, "key post_processor",
                                  fmt::format("there is no token with id {}", id));
            }
        }
    }
    // The end of a text is the caller's business; anything else behind it would be lost.
    for (const TokenId id : json.after) {
        if (id != m_eos) {
            throw FormatError(
                file, "key post_processor",
                fmt::format("puts token {} behind each text, which is not supported", id));
        }
    }
    m_before = json.before;
    if (!settings.bosToken && m_before.size() == 1) {
        m_bos = m_before[0];
    }
    // What tokenizer_config.json says of BOS goes before the file's own post-processor.
    if (settings.addBos || !json.hasPostProcessor) {
        m_before.clear();
        if (settings.addBos.value_or(false) && m_bos) {
            m_before.push_back(*m_bos);
        }
    }
}

std::unique_ptr<BpeModel::Scratch> JsonTokenizer::takeScratch() const
{
    const std::lock_guard lock(m_mutex);
    if (m_scratches.empty()) {
        return std::make_unique<BpeModel::Scratch>();
    }
    auto scratch = std::move(m_scratches.back());
    m_scratches.pop_back();
    return scratch;
}

void JsonTokenizer::giveScratch(std::unique_ptr<BpeModel::Scratch> scratch) const
{
    const std::lock_guard lock(m_mutex);
    m_scratches.push_back(std::move(scratch));
}

std::vector<TokenId> JsonTokenizer::encode(std::string_view text, bool addBos) const
{
    if (text.size() > kTextBytes) {
        throw DataError(fmt::format("{} bytes of text are more than the tokenizer's limit of {}",
                                    text.size(), kTextBytes),
                        "Divide the text.");
    }
    std::string repaired;
    if (firstInvalidUtf8(text)) {
        appendWithReplacements(repaired, text);
        text = repaired;
    }
    std::vector<TokenId> ids;
    if (addBos) {
        ids = m_before;
    }
    auto scratch = takeScratch();
    PreTokenizer::Run run(m_preTokenizer,
                          [&](std::string_view word) { m_model.encode(word, *scratch, ids); });
    m_inText.split(text, [&](const AddedTokens::Part& part) {
        if (part.id) {
            ids.push_back(*part.id);
            return;
        }
        const bool isFirst = part.text.data() == text.data();
        std::string changed;
        std::string_view normalized = part.text;
        if (!m_normalizer.isEmpty()) {
            changed = m_normalizer.normalize(part.text);
            normalized = changed;
        }
        m_inNormalizedText.split(normalized, [&](const AddedTokens::Part& inner) {
            if (inner.id) {
                ids.push_back(*inner.id);
            } else {
                run.split(inner.text, isFirst && inner.text.data() == normalized.data());
            }
        });
    });
    giveScratch(std::move(scratch));
    return ids;
}

std::string JsonTokenizer::decode(std::span<const TokenId> ids, bool keepSpecial) const
{
    std::vector<std::string> tokens;
    tokens.reserve(ids.size());
    for (const TokenId id : ids) {
        if (const auto added = m_added.find(id); added != m_added.end()) {
            const AddedToken& token = added->second.token;
            if (keepSpecial || !token.special) {
                tokens.push_back(token.normalized ? added->second.normalizedText : token.text);
            }
        } else if (const std::string* text = m_model.textOf(id)) {
            tokens.push_back(*text);
        } else {
            throw DataError(fmt::format("Token id {} is outside the vocabulary of {} tokens", id,
                                        m_vocabularySize));
        }
    }
    return m_decoder.decode(std::move(tokens));
}

} // namespace longlora
