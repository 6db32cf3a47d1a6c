// SPDX-License-Identifier: GPL-3.0-or-later
// Source: sentencepiece_model.proto of sentencepiece 0.2.1.
#include "core/spec/text/sentencepiece_write.h"

#include <bit>
#include <cstdint>
#include <string_view>

namespace longlora {

namespace {

void appendVarint(std::string& bytes, std::uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        bytes += static_cast<char>((value & 0x7F) | 0x80);
    }
    bytes += static_cast<char>(value);
}

void appendNumber(std::string& bytes, std::uint32_t field, std::uint64_t value)
{
    appendVarint(bytes, std::uint64_t{field} << 3);
    appendVarint(bytes, value);
}

void appendFloat(std::string& bytes, std::uint32_t field, float value)
{
    appendVarint(bytes, std::uint64_t{field} << 3 | 5);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (unsigned i = 0; i < 4; ++i) {
        bytes += static_cast<char>(bits >> (8 * i) & 0xFF);
    }
}

void appendBytes(std::string& bytes, std::uint32_t field, std::string_view content)
{
    appendVarint(bytes, std::uint64_t{field} << 3 | 2);
    appendVarint(bytes, content.size());
    bytes += content;
}

std::string trainerSpec(const SentencePieceModel& model)
{
    constexpr std::uint64_t kBpe = 2;
    std::string spec;
    appendNumber(spec, 3, kBpe);
    appendNumber(spec, 4, model.pieces.size());
    appendNumber(spec, 35, 1); // byte_fallback
    appendBytes(spec, 45, model.unkPiece);
    appendBytes(spec, 46, model.bosPiece);
    appendBytes(spec, 47, model.eosPiece);
    return spec;
}

std::string normalizerSpec(const SentencePieceModel& model)
{
    std::string spec;
    appendBytes(spec, 1, "identity");
    appendBytes(spec, 2, {});
    appendNumber(spec, 3, model.addDummyPrefix ? 1 : 0);
    appendNumber(spec, 4, model.removeExtraWhitespaces ? 1 : 0);
    appendNumber(spec, 5, 1); // escape_whitespaces
    return spec;
}

} // namespace

std::string sentencePieceModelBytes(const SentencePieceModel& model)
{
    std::string bytes;
    for (const SentencePiece& piece : model.pieces) {
        std::string message;
        appendBytes(message, 1, piece.text);
        appendFloat(message, 2, piece.score);
        appendNumber(message, 3, static_cast<std::uint64_t>(piece.type));
        appendBytes(bytes, 1, message);
    }
    appendBytes(bytes, 2, trainerSpec(model));
    appendBytes(bytes, 3, normalizerSpec(model));
    return bytes;
}

} // namespace longlora
