// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/sentencepiece_gate.h"

#include "core/spec/base/error.h"
#include "core/spec/text/charsmap_check.h"
#include "core/spec/text/proto_reader.h"
#include "core/spec/text/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <unordered_set>

namespace longlora {

namespace {

constexpr std::size_t kFileBytes = std::size_t{64} << 20;
constexpr std::size_t kPieceBytes = 4096;
constexpr std::size_t kPieces = 2'000'000;
constexpr std::size_t kSelfTestBytes = std::size_t{1} << 20;
constexpr std::size_t kNestedSymbols = 64; // the library's array for matches of one prefix

using Kind = ProtoField::Kind;

/// Reads one message; knows which fields came already, because the library takes the last of a
/// repeated single field and this reader must not see another one than the library.
class Message {
public:
    Message(const ProtoField& field, const std::string& file)
        : m_reader(field.bytes, field.bytesOffset, file)
        , m_file(file)
    {}

    bool next(ProtoField& field) { return m_reader.next(field); }

    /// `field` as a single one of `kind`.
    const ProtoField& single(const ProtoField& field, Kind kind)
    {
        if (!m_seen.insert(field.number).second) {
            fail(field, fmt::format("field {} stands there twice", field.number));
        }
        return of(field, kind);
    }
    const ProtoField& of(const ProtoField& field, Kind kind)
    {
        if (field.kind != kind) {
            fail(field, fmt::format("field {} has another type than in sentencepiece's format",
                                    field.number));
        }
        return field;
    }
    bool flag(const ProtoField& field) { return single(field, Kind::Varint).value != 0; }
    std::string text(const ProtoField& field)
    {
        return std::string(single(field, Kind::Bytes).bytes);
    }

    [[noreturn]] void fail(const ProtoField& field, const std::string& what) const
    {
        throw FormatError(m_file, fmt::format("offset {}", field.offset), what);
    }

private:
    ProtoReader m_reader;
    const std::string& m_file;
    std::set<std::uint32_t> m_seen;
};

class Gate {
public:
    explicit Gate(const std::string& file)
        : m_file(file)
    {}

    SentencePieceModel read(std::string_view bytes)
    {
        if (bytes.empty()) {
            refuse("it is empty");
        }
        if (bytes.size() > kFileBytes) {
            refuse("it is larger than 64 MB");
        }
        ProtoField whole;
        whole.bytes = bytes;
        Message message(whole, m_file);
        for (ProtoField field; message.next(field);) {
            switch (field.number) {
            case 1:
                readPiece(message.of(field, Kind::Bytes));
                break;
            case 2:
                readTrainer(message.single(field, Kind::Bytes));
                break;
            case 3:
                readNormalizer(message.single(field, Kind::Bytes), "normalizer", true);
                break;
            case 4:
                readSelfTest(message.single(field, Kind::Bytes));
                break;
            case 5:
                readNormalizer(message.single(field, Kind::Bytes), "denormalizer", false);
                break;
            default:
                break;
            }
        }
        if (!m_hasNormalizer) {
            refuse("it has no normalizer_spec: it ends too early");
        }
        checkTrainer();
        checkPieces();
        checkNestedSymbols();
        return std::move(m_model);
    }

private:
    void readPiece(const ProtoField& field)
    {
        const std::size_t id = m_model.pieces.size();
        if (id == kPieces) {
            refuse("it has more than 2,000,000 pieces");
        }
        SentencePiece piece;
        Message message(field, m_file);
        for (ProtoField part; message.next(part);) {
            if (part.number == 1) {
                piece.text = message.text(part);
            } else if (part.number == 2) {
                const auto bits =
                    static_cast<std::uint32_t>(message.single(part, Kind::Fixed32).value);
                piece.score = std::bit_cast<float>(bits);
            } else if (part.number == 3) {
                const std::uint64_t type = message.single(part, Kind::Varint).value;
                if (type < 1 || type > 6) {
                    refusePiece(id, fmt::format("has the unknown type {}", type));
                }
                piece.type = static_cast<PieceType>(type);
            }
        }
        if (piece.text.empty()) {
            refusePiece(id, "is empty");
        }
        if (piece.text.size() > kPieceBytes) {
            refusePiece(id, fmt::format("has {} bytes; 4,096 are allowed", piece.text.size()));
        }
        if (firstInvalidUtf8(piece.text)) {
            refusePiece(id, "is not UTF-8");
        }
        if (!std::isfinite(piece.score)) {
            refusePiece(id, "has a score that is not finite");
        }
        m_model.pieces.push_back(std::move(piece));
    }

    void readTrainer(const ProtoField& field)
    {
        Message message(field, m_file);
        for (ProtoField part; message.next(part);) {
            switch (part.number) {
            case 3:
                m_modelType = message.single(part, Kind::Varint).value;
                break;
            case 24:
                m_spaceAsSuffix = message.flag(part);
                break;
            case 35:
                m_byteFallback = message.flag(part);
                break;
            case 45:
                m_model.unkPiece = message.text(part);
                break;
            case 46:
                m_model.bosPiece = message.text(part);
                break;
            case 47:
                m_model.eosPiece = message.text(part);
                break;
            default:
                break;
            }
        }
    }

    void readNormalizer(const ProtoField& field, const char* name, bool isInput)
    {
        Message message(field, m_file);
        bool addDummyPrefix = true;
        bool removeExtraWhitespaces = true;
        for (ProtoField part; message.next(part);) {
            if (part.number == 2) {
                const std::string_view charsmap = message.single(part, Kind::Bytes).bytes;
                // One behind decoding changes text that a stream has shown already.
                const std::string problem = isInput || charsmap.empty()
                                                ? charsmapProblem(charsmap)
                                                : "only models without one, as the Llama family, "
                                                  "are read";
                if (!problem.empty()) {
                    message.fail(part, fmt::format("the character map of the {} cannot be used: {}",
                                                   name, problem));
                }
                m_model.hasCharsmap = m_model.hasCharsmap || (isInput && !charsmap.empty());
            } else if (part.number == 3) {
                addDummyPrefix = message.flag(part);
            } else if (part.number == 4) {
                removeExtraWhitespaces = message.flag(part);
            } else if (part.number == 5) {
                message.flag(part);
            }
        }
        if (isInput) {
            m_hasNormalizer = true;
            m_model.addDummyPrefix = addDummyPrefix;
            m_model.removeExtraWhitespaces = removeExtraWhitespaces;
        }
    }

    void readSelfTest(const ProtoField& field)
    {
        // The library encodes every sample while it loads.
        if (field.bytes.size() > kSelfTestBytes) {
            refuse("its self-test samples are larger than 1 MB");
        }
        Message message(field, m_file);
        for (ProtoField sample; message.next(sample);) {
            Message parts(message.of(sample, Kind::Bytes), m_file);
            for (ProtoField part; parts.next(part);) {
            }
        }
    }

    void checkTrainer() const
    {
        constexpr const char* kNames[] = {"no known", "a unigram", "a BPE", "a word",
                                          "a character"};
        constexpr std::uint64_t kBpe = 2;
        if (m_modelType != kBpe) {
            refuse(fmt::format("it is {} model; only BPE models with byte fallback, as the Llama "
                               "family has, are read",
                               kNames[m_modelType <= 4 ? m_modelType : 0]));
        }
        if (!m_byteFallback) {
            refuse("it has no byte fallback; only models that have it, as the Llama family, are "
                   "read");
        }
        if (m_spaceAsSuffix) {
            refuse("it treats white space as a suffix, which no Llama-family tokenizer does");
        }
    }

    void checkPieces()
    {
        std::unordered_set<std::string_view> seen;
        std::unordered_set<unsigned> bytes;
        std::size_t unknown = 0;
        for (std::size_t id = 0; id < m_model.pieces.size(); ++id) {
            const SentencePiece& piece = m_model.pieces[id];
            if (!seen.insert(piece.text).second) {
                refusePiece(id, fmt::format("\"{}\" stands there twice", piece.text));
            }
            unknown += piece.type == PieceType::Unknown ? 1 : 0;
            m_model.hasUnusedPieces = m_model.hasUnusedPieces || piece.type == PieceType::Unused;
            if (piece.type == PieceType::Byte) {
                bytes.insert(byteOf(id));
            }
            // The library takes the character for this piece and then fails to encode the text.
            if (piece.type == PieceType::Control &&
                utf8CharacterLength(piece.text, 0) == piece.text.size()) {
                refusePiece(
                    id, fmt::format("\"{}\" is a control piece of a single character", piece.text));
            }
            // The library builds a trie of these, with an exception of its own at a zero byte.
            if (piece.type == PieceType::UserDefined &&
                piece.text.find('\0') != std::string::npos) {
                refusePiece(id, "is a user-defined symbol with a zero byte");
            }
        }
        if (unknown != 1) {
            refuse(fmt::format("it has {} unknown pieces instead of one", unknown));
        }
        if (bytes.size() != 256) {
            refuse(fmt::format("it has {} byte pieces instead of 256", bytes.size()));
        }
    }

    unsigned byteOf(std::size_t id) const
    {
        constexpr std::string_view kDigits = "0123456789ABCDEF";
        const std::string& text = m_model.pieces[id].text;
        if (text.size() == 6 && text.starts_with("<0x") && text.ends_with('>')) {
            const std::size_t high = kDigits.find(text[3]);
            const std::size_t low = kDigits.find(text[4]);
            if (high < 16 && low < 16) {
                return static_cast<unsigned>(high * 16 + low);
            }
        }
        refusePiece(id, fmt::format("\"{}\" is marked as a byte but names none", text));
    }

    void checkNestedSymbols() const
    {
        std::vector<std::string_view> symbols;
        for (const SentencePiece& piece : m_model.pieces) {
            if (piece.type == PieceType::UserDefined) {
                symbols.push_back(piece.text);
            }
        }
        // Sorted, a text follows its prefixes: the open ones form a stack.
        std::ranges::sort(symbols);
        std::vector<std::string_view> prefixes;
        for (const std::string_view symbol : symbols) {
            while (!prefixes.empty() && !symbol.starts_with(prefixes.back())) {
                prefixes.pop_back();
            }
            prefixes.push_back(symbol);
            if (prefixes.size() > kNestedSymbols) {
                refuse("more than 64 user-defined symbols begin with one another");
            }
        }
    }

    [[noreturn]] void refuse(const std::string& what) const { throw FormatError(m_file, "", what); }
    [[noreturn]] void refusePiece(std::size_t id, const std::string& what) const
    {
        throw FormatError(m_file, fmt::format("piece {}", id), what);
    }

    const std::string& m_file;
    SentencePieceModel m_model;
    std::uint64_t m_modelType = 1; // the format's default: unigram
    bool m_byteFallback = false;
    bool m_spaceAsSuffix = false;
    bool m_hasNormalizer = false;
};

} // namespace

SentencePieceModel readSentencePieceModel(std::string_view bytes, const std::string& file)
{
    return Gate(file).read(bytes);
}

} // namespace longlora
