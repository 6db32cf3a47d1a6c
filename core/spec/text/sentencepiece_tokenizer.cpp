// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/sentencepiece_tokenizer.h"

#include "core/spec/base/error.h"
#include "core/spec/text/bpe/word_cache.h"
#include "core/spec/text/sentencepiece_gate.h"
#include "core/spec/text/utf8.h"

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

namespace longlora {

namespace {

constexpr std::size_t kLongText = std::size_t{16} << 10; ///< words are remembered
// The library counts in int, and normalising can treble a text.
constexpr std::size_t kUncutBytes = std::size_t{256} << 20;
constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81"; // U+2581, a space within pieces
constexpr std::string_view kWhiteSpace = " \t\n\v\f\r";

void check(const sentencepiece::util::Status& status, const std::string& doing)
{
    if (!status.ok()) {
        throw DataError("sentencepiece cannot " + doing + ": " + status.ToString());
    }
}

/// The model with another add_dummy_prefix: protobuf merges a field that comes twice, so appending
/// normalizer_spec { add_dummy_prefix } changes this one setting and nothing else.
std::unique_ptr<sentencepiece::SentencePieceProcessor>
loadProcessor(std::string_view model, bool addDummyPrefix, const std::string& file)
{
    std::string bytes(model);
    bytes += {'\x1A', '\x02', '\x18', static_cast<char>(addDummyPrefix ? 1 : 0)};
    auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
    const auto status = processor->LoadFromSerializedProto(bytes);
    if (!status.ok()) {
        throw FormatError(file, "", "sentencepiece refuses it: " + status.ToString());
    }
    return processor;
}

bool isAscii(char c)
{
    return static_cast<unsigned char>(c) < 0x80;
}

} // namespace

SentencePieceTokenizer::SentencePieceTokenizer(std::string_view bytes, const std::string& file,
                                               TokenizerSettings settings)
    : m_settings(std::move(settings))
{
    const SentencePieceModel model = readSentencePieceModel(bytes, file);
    static std::once_flag quiet;
    std::call_once(quiet, [] { sentencepiece::SetMinLogLevel(2); }); // it would write to stderr
    m_prefixed = loadProcessor(bytes, true, file);
    m_plain = loadProcessor(bytes, false, file);
    m_firstPrefix = m_settings.legacy ? model.addDummyPrefix : m_settings.addPrefixSpace;
    m_laterPrefix = m_settings.legacy && model.addDummyPrefix;
    m_pieceCount = static_cast<std::int64_t>(model.pieces.size());
    m_vocabularySize = m_pieceCount;
    addSpecialTokens(model, file);
    noteJoinedBytes(model);
}

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

void SentencePieceTokenizer::addSpecialTokens(const SentencePieceModel& model,
                                              const std::string& file)
{
    const auto add = [this](AddedToken token) {
        m_vocabularySize = std::max<std::int64_t>(m_vocabularySize, token.id + std::int64_t{1});
        if (m_specialById.try_emplace(token.id, m_special.size()).second) {
            m_special.push_back(std::move(token));
        }
    };
    for (const AddedToken& token : m_settings.addedTokens) {
        add(token);
        if (!m_trie.insert(token.text, m_specialById.at(token.id))) {
            throw FormatError(file, "",
                              fmt::format("the added token \"{}\" has two ids", token.text));
        }
    }
    // Control pieces are never text; of them only these three are looked for in texts.
    const std::string bos = m_settings.bosToken.value_or(model.bosPiece);
    const std::string eos = m_settings.eosToken.value_or(model.eosPiece);
    const std::string unk = m_settings.unkToken.value_or(model.unkPiece);
    for (std::size_t i = 0; i < model.pieces.size(); ++i) {
        const SentencePiece& piece = model.pieces[i];
        if (piece.type != PieceType::Control && piece.type != PieceType::Unknown) {
            continue;
        }
        const auto id = static_cast<TokenId>(i);
        add({id, piece.text});
        if (piece.text == bos || piece.text == eos || piece.text == unk) {
            m_trie.insert(piece.text, m_specialById.at(id));
        }
    }
    for (const AddedToken& token : m_special) {
        m_bos = token.text == bos ? token.id : m_bos;
        m_eos = token.text == eos ? token.id : m_eos;
    }
}

void SentencePieceTokenizer::noteJoinedBytes(const SentencePieceModel& model)
{
    // A character map may look across a cut; a piece that is split again depends on merges
    // anywhere.
    m_mayCut = !model.hasCharsmap && !model.removeExtraWhitespaces && !model.hasUnusedPieces;
    for (const SentencePiece& piece : model.pieces) {
        for (std::size_t i = 1; i < piece.text.size(); ++i) {
            const auto left = static_cast<unsigned char>(piece.text[i - 1]);
            m_joined[left].set(static_cast<unsigned char>(piece.text[i]));
        }
    }
}

std::vector<TokenId> SentencePieceTokenizer::encode(std::string_view text, bool addBos) const
{
    std::vector<TokenId> ids;
    if (addBos && m_settings.addBos.value_or(true) && m_bos) {
        ids.push_back(*m_bos);
    }
    bool isFirst = true;
    std::size_t begin = 0;
    const auto encodeUntil = [&](std::size_t end) {
        if (end > begin) {
            encodeBetween(text.substr(begin, end - begin), isFirst ? m_firstPrefix : m_laterPrefix,
                          ids);
        }
        isFirst = false;
    };
    for (std::size_t i = 0; i < text.size();) {
        const TokenTrie::Match match = m_trie.longestAt(text, i);
        if (match.length == 0) {
            ++i;
            continue;
        }
        const AddedToken& token = m_special[match.index];
        std::size_t end = i;
        while (token.stripLeft && end > begin &&
               kWhiteSpace.find(text[end - 1]) != std::string_view::npos) {
            --end;
        }
        encodeUntil(end);
        ids.push_back(token.id);
        i += match.length;
        while (token.stripRight && i < text.size() &&
               kWhiteSpace.find(text[i]) != std::string_view::npos) {
            ++i;
        }
        begin = i;
    }
    encodeUntil(text.size());
    return ids;
}

void SentencePieceTokenizer::encodeBetween(std::string_view text, bool withDummyPrefix,
                                           std::vector<TokenId>& ids) const
{
    std::optional<WordCache> known;
    if (text.size() > kLongText) {
        known.emplace();
    }
    std::vector<int> wordIds;
    for (; !text.empty(); withDummyPrefix = false) {
        const std::string_view word = text.substr(0, wordEnd(text));
        text.remove_prefix(word.size());
        if (known && !withDummyPrefix) {
            if (const auto found = known->find(word); !found.empty()) {
                ids.insert(ids.end(), found.begin(), found.end());
                continue;
            }
        }
        if (word.size() > kUncutBytes) {
            throw DataError(fmt::format("{} bytes of text have no place where they can be cut for "
                                        "the tokenizer; 268,435,456 are allowed",
                                        word.size()),
                            "Divide the text into lines.");
        }
        const Processor& processor = withDummyPrefix ? *m_prefixed : *m_plain;
        check(processor.Encode(word, &wordIds), "encode a text");
        ids.insert(ids.end(), wordIds.begin(), wordIds.end());
        if (known && !withDummyPrefix) {
            known->put(word, wordIds);
        }
    }
}

/// Where the first word of `text` ends: at the first place that no piece spans.
std::size_t SentencePieceTokenizer::wordEnd(std::string_view text) const
{
    if (!m_mayCut) {
        return text.size();
    }
    for (std::size_t i = 1; i < text.size(); ++i) {
        // After ASCII a character begins. Spaces, and bytes that are no UTF-8, reach the merges as
        // other bytes: the former are looked for in both forms, the latter are not cut at.
        const char left = text[i - 1];
        const char right = text[i];
        if (!isAscii(left) || left == ' ' || utf8CharacterLength(text, i) == 0) {
            continue;
        }
        const auto& follows = m_joined[static_cast<unsigned char>(left)];
        const bool joined = follows[static_cast<unsigned char>(right)] ||
                            (right == ' ' && follows[static_cast<unsigned char>(kSpaceSymbol[0])]);
        if (!joined) {
            return i;
        }
    }
    return text.size();
}

std::string SentencePieceTokenizer::decode(std::span<const TokenId> ids, bool keepSpecial) const
{
    std::string text;
    std::vector<int> run;
    bool withDummyPrefix = m_firstPrefix;
    const auto endRun = [&] {
        if (!run.empty()) {
            text += decodeRun(run, withDummyPrefix);
            run.clear();
        }
    };
    for (const TokenId id : ids) {
        const auto special = m_specialById.find(id);
        if (special == m_specialById.end()) {
            checkId(id);
            run.push_back(id);
            continue;
        }
        const AddedToken& token = m_special[special->second];
        if (keepSpecial || !token.special) {
            endRun();
            text += token.text;
            withDummyPrefix = m_laterPrefix;
        }
    }
    endRun();
    return text;
}

std::string SentencePieceTokenizer::decodeRun(const std::vector<int>& run,
                                              bool withDummyPrefix) const
{
    std::string text;
    check((withDummyPrefix ? *m_prefixed : *m_plain).Decode(run, &text), "decode ids");
    return text;
}

void SentencePieceTokenizer::checkId(TokenId id) const
{
    if (id < 0 || id >= m_pieceCount) {
        throw DataError(fmt::format("Token id {} is outside the vocabulary of {} tokens", id,
                                    m_vocabularySize));
    }
}

} // namespace longlora
