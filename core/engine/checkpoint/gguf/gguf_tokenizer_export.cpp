// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/gguf_token_types.h"
#include "core/engine/checkpoint/gguf/gguf_tokenizer.h"
#include "core/engine/checkpoint/gguf/pre_tokenizer_kind.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"
#include "core/spec/text/bpe/tokenizer_json.h"
#include "core/spec/text/bpe/tokenizer_json_text.h"
#include "core/spec/text/chat_template.h"
#include "core/spec/text/sentencepiece_gate.h"
#include "core/spec/text/tokenizer.h"
#include "core/spec/text/tokenizer_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace longlora {

namespace {

constexpr std::uintmax_t kModelBytes = std::uintmax_t{64} << 20;
constexpr std::uintmax_t kJsonBytes = std::uintmax_t{128} << 20;
constexpr JsonLimits kSettingsLimits = {std::size_t{16} << 20, 16};

/// The three arrays of a vocabulary, one entry for each row of the model.
class TokenTable {
public:
    explicit TokenTable(const ModelConfig& config)
        : m_texts(static_cast<std::size_t>(config.vocabularySize))
        , m_scores(m_texts.size(), -10000.0)
        , m_types(m_texts.size(), static_cast<std::int64_t>(TokenType::Unused))
    {
        for (std::size_t id = 0; id < m_texts.size(); ++id) {
            m_texts[id] = fillerName(id);
        }
    }

    /// Throws: DataError if the model has no row for it.
    void set(std::int64_t id, std::string text, double score, TokenType type)
    {
        if (id < 0 || id >= std::ssize(m_texts)) {
            throw DataError(
                fmt::format("Token {} has no row in a model of {} rows", id, m_texts.size()),
                "Use the tokenizer that belongs to the model.");
        }
        const auto place = static_cast<std::size_t>(id);
        m_texts[place] = std::move(text);
        m_scores[place] = score;
        m_types[place] = static_cast<std::int64_t>(type);
    }
    void addTo(GgufMetadata& metadata, bool withScores)
    {
        metadata.add("tokenizer.ggml.tokens", {GgufValueType::String, std::move(m_texts)});
        if (withScores) {
            metadata.add("tokenizer.ggml.scores", {GgufValueType::Float32, std::move(m_scores)});
        }
        metadata.add("tokenizer.ggml.token_type", {GgufValueType::Int32, std::move(m_types)});
    }

private:
    std::vector<std::string> m_texts;
    std::vector<double> m_scores;
    std::vector<std::int64_t> m_types;
};

/// Tokens that some models forget to mark, as llama.cpp's converter knows them.
bool looksSpecial(std::string_view text)
{
    constexpr std::array<std::string_view, 4> kKnown = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
    constexpr std::string_view kWide = "\xEF\xBD\x9C"; // U+FF5C
    const auto isBetween = [&](const std::string& begin, const std::string& end) {
        return text.starts_with(begin) && text.ends_with(end);
    };
    return std::find(kKnown.begin(), kKnown.end(), text) != kKnown.end() || isBetween("<|", "|>") ||
           isBetween("<" + std::string(kWide), std::string(kWide) + ">") ||
           isBetween("<unused", ">");
}

void setAdded(TokenTable& table, const AddedToken& token, double score)
{
    const bool isSpecial = token.special || looksSpecial(token.text);
    table.set(token.id, isSpecial ? token.text : withSpaces(token.text), score,
              isSpecial ? TokenType::Control : TokenType::UserDefined);
}

void addId(GgufMetadata& metadata, const char* name, std::optional<std::int64_t> id)
{
    if (id) {
        metadata.add(std::string("tokenizer.ggml.") + name, GgufValue::uint32(*id));
    }
}

/// Of several tokens that end a text, llama.cpp has names for three.
void addEndIds(GgufMetadata& metadata, std::optional<std::int64_t> bos,
               const std::vector<std::int64_t>& ends)
{
    constexpr std::array<const char*, 3> kNames = {"eos_token_id", "eot_token_id", "eom_token_id"};
    addId(metadata, "bos_token_id", bos);
    for (std::size_t i = 0; i < std::min(ends.size(), kNames.size()); ++i) {
        addId(metadata, kNames[i], ends[i]);
    }
}

/// What both kinds have in common.
class TokenizerExport {
public:
    TokenizerExport(GgufMetadata& metadata, const std::filesystem::path& folder,
                    const ModelConfig& config)
        : m_metadata(metadata)
        , m_folder(folder)
        , m_config(config)
        , m_tokenizer(loadTokenizer(folder))
        , m_settings(readTokenizerSettings(folder))
    {}

    void addSentencePieces()
    {
        const std::filesystem::path file = m_folder / "tokenizer.model";
        const SentencePieceModel model =
            readSentencePieceModel(readWholeFile(file, kModelBytes), file.string());
        if (model.hasCharsmap || model.removeExtraWhitespaces) {
            throw DataError(file.string() +
                                (model.hasCharsmap
                                     ? ": llama.cpp would leave out its character map"
                                     : ": llama.cpp would not remove its extra spaces") +
                                " and give other ids",
                            "Export from a program that has its own tokenizer for it.");
        }
        TokenTable table(m_config);
        for (std::size_t id = 0; id < model.pieces.size(); ++id) {
            const SentencePiece& piece = model.pieces[id];
            const bool isUserDefined = piece.type == PieceType::UserDefined;
            table.set(static_cast<std::int64_t>(id),
                      isUserDefined ? withSpaces(piece.text) : piece.text, piece.score,
                      tokenTypeOf(piece.type));
        }
        constexpr double kAddedScore = -1000.0; // of those that are no pieces
        for (const AddedToken& token : m_settings.addedTokens) {
            const auto id = static_cast<std::size_t>(token.id);
            const bool isPiece = id < model.pieces.size();
            if (!isPiece || model.pieces[id].type != PieceType::Unknown) {
                setAdded(table, token, isPiece ? model.pieces[id].score : kAddedScore);
            }
        }
        addKind("llama", "default");
        table.addTo(m_metadata, true);
        addEnds(unknownOf(model));
        const bool addsSpace = m_settings.legacy ? model.addDummyPrefix : m_settings.addPrefixSpace;
        m_metadata.add("tokenizer.ggml.add_space_prefix", GgufValue::boolean(addsSpace));
        m_metadata.add(kLegacyKey, GgufValue::boolean(m_settings.legacy));
    }

    void addBytePairs()
    {
        const std::filesystem::path file = m_folder / "tokenizer.json";
        const std::string text = readWholeFile(file, kJsonBytes);
        TokenizerJsonText parts = readTokenizerJsonText(text, file.string());
        const TokenizerJson json = readTokenizerJson(text, file.string());
        const PreTokenizerKind* const kind = preTokenizerOf(parts.rest);
        if (kind == nullptr) {
            throw DataError(file.string() + ": llama.cpp has no tokenizer that is known to "
                                            "prepare a text like this one",
                            json.model.isByteLevel
                                ? "Its \"normalizer\" or \"pre_tokenizer\" is of another kind."
                                : "Put the model's tokenizer.model beside it.");
        }
        TokenTable table(m_config);
        for (auto& [token, id] : *parts.vocabulary) {
            table.set(id, std::move(token), 0.0, TokenType::Normal);
        }
        for (const AddedToken& token : json.addedTokens) {
            setAdded(table, token, 0.0);
        }
        for (const AddedToken& token : m_settings.addedTokens) {
            setAdded(table, token, 0.0);
        }
        addKind("gpt2", kind->name);
        table.addTo(m_metadata, false);
        addMerges(*parts.merges, file);
        const auto unknown = m_settings.unkToken ? idOf(*m_settings.unkToken) : std::nullopt;
        addEnds(unknown);
    }

    void addTemplate()
    {
        if (const auto source = readChatTemplateSource(m_folder)) {
            m_metadata.add("tokenizer.chat_template", GgufValue::text(source->text));
        }
    }

private:
    void addKind(const char* model, std::string_view pre)
    {
        m_metadata.add("tokenizer.ggml.model", GgufValue::text(model));
        m_metadata.add("tokenizer.ggml.pre", GgufValue::text(std::string(pre)));
    }

    void addMerges(const TokenizerJsonText::Merges& merges, const std::filesystem::path& file)
    {
        std::vector<std::string> lines;
        lines.reserve(merges.size());
        for (const auto& [left, right] : merges) {
            if (left.find(' ') != std::string::npos || right.find(' ') != std::string::npos) {
                throw DataError(file.string() + ": a merge of tokens with spaces in them cannot "
                                                "be written to a GGUF file");
            }
            lines.push_back(left + " " + right);
        }
        m_metadata.add("tokenizer.ggml.merges", {GgufValueType::String, std::move(lines)});
    }

    static std::optional<TokenId> unknownOf(const SentencePieceModel& model)
    {
        const auto found =
            std::find_if(model.pieces.begin(), model.pieces.end(), [](const SentencePiece& piece) {
                return piece.type == PieceType::Unknown;
            });
        return static_cast<TokenId>(found - model.pieces.begin());
    }

    /// A special token is one id whatever stands around it.
    std::optional<TokenId> idOf(const std::string& token) const
    {
        const std::vector<TokenId> ids = m_tokenizer->encode(token, false);
        return ids.size() == 1 ? std::optional(ids.front()) : std::nullopt;
    }

    void addEnds(std::optional<TokenId> unknown)
    {
        std::optional<std::int64_t> bos = m_config.bosTokenId;
        if (m_tokenizer->bosId()) {
            bos = *m_tokenizer->bosId();
        }
        std::vector<std::int64_t> ends;
        if (m_tokenizer->eosId()) {
            ends.push_back(*m_tokenizer->eosId());
        }
        for (const std::int64_t id : m_config.eosTokenIds) {
            if (std::find(ends.begin(), ends.end(), id) == ends.end()) {
                ends.push_back(id);
            }
        }
        addEndIds(m_metadata, bos, ends);
        addId(m_metadata, "unknown_token_id", unknown);
        const JsonObject json = settingsJson();
        if (json.has("pad_token")) {
            addId(m_metadata, "padding_token_id",
                  idOf(json.isObject("pad_token") ? json.object("pad_token").text("content")
                                                  : json.text("pad_token")));
        }
        m_metadata.add("tokenizer.ggml.add_bos_token",
                       GgufValue::boolean(!m_tokenizer->encode({}, true).empty()));
        m_metadata.add("tokenizer.ggml.add_eos_token",
                       GgufValue::boolean(json.booleanOr("add_eos_token", false)));
    }

    JsonObject settingsJson() const
    {
        const std::filesystem::path file = m_folder / "tokenizer_config.json";
        const bool exists = std::filesystem::exists(file);
        return JsonObject::parse(exists ? readWholeFile(file, kSettingsLimits.bytes) : "{}",
                                 file.string(), kSettingsLimits);
    }

    GgufMetadata& m_metadata;
    const std::filesystem::path& m_folder;
    const ModelConfig& m_config;
    std::unique_ptr<Tokenizer> m_tokenizer;
    TokenizerSettings m_settings;
};

} // namespace

void addGgufTokenizer(GgufMetadata& metadata, const std::filesystem::path& folder,
                      const ModelConfig& config)
{
    const bool hasPieces = std::filesystem::exists(folder / "tokenizer.model");
    if (!hasPieces && !std::filesystem::exists(folder / "tokenizer.json")) {
        metadata.add("tokenizer.ggml.model", GgufValue::text("none"));
        addEndIds(metadata, config.bosTokenId, config.eosTokenIds);
        return;
    }
    TokenizerExport tokenizer(metadata, folder, config);
    if (hasPieces) {
        tokenizer.addSentencePieces();
    } else {
        tokenizer.addBytePairs();
    }
    tokenizer.addTemplate();
}

} // namespace longlora
