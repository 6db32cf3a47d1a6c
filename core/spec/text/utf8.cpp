// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/utf8.h"

namespace longlora {

namespace {

/// What may follow a leading byte: how many bytes, and the range of the first of them.
struct Sequence {
    std::size_t length = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
};

Sequence sequenceOf(unsigned char lead)
{
    if (lead < 0x80) {
        return {1};
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        return {2};
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        const auto low = static_cast<unsigned char>(lead == 0xE0 ? 0xA0 : 0x80);
        return {3, low, static_cast<unsigned char>(lead == 0xED ? 0x9F : 0xBF)};
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        const auto low = static_cast<unsigned char>(lead == 0xF0 ? 0x90 : 0x80);
        return {4, low, static_cast<unsigned char>(lead == 0xF4 ? 0x8F : 0xBF)};
    }
    return {0};
}

/// How many of the bytes at `offset` belong to the character that `sequence` begins.
std::size_t lengthThere(std::string_view text, std::size_t offset, const Sequence& sequence)
{
    std::size_t length = 1;
    while (length < sequence.length && length < text.size() - offset) {
        const auto byte = static_cast<unsigned char>(text[offset + length]);
        if (byte < (length == 1 ? sequence.low : 0x80) ||
            byte > (length == 1 ? sequence.high : 0xBF)) {
            break;
        }
        ++length;
    }
    return length;
}

} // namespace

std::size_t utf8CharacterLength(std::string_view text, std::size_t offset)
{
    const Sequence sequence = sequenceOf(static_cast<unsigned char>(text[offset]));
    return lengthThere(text, offset, sequence) == sequence.length ? sequence.length : 0;
}

std::optional<std::size_t> firstInvalidUtf8(std::string_view text)
{
    std::size_t offset = 0;
    while (offset < text.size()) {
        const std::size_t length = utf8CharacterLength(text, offset);
        if (length == 0) {
            return offset;
        }
        offset += length;
    }
    return std::nullopt;
}

Utf8Character utf8CharacterAt(std::string_view text, std::size_t offset)
{
    const auto byte = [&](std::size_t i) {
        return static_cast<char32_t>(static_cast<unsigned char>(text[offset + i]));
    };
    const char32_t lead = byte(0);
    if (lead < 0x80) {
        return {lead, 1};
    }
    if (lead < 0xE0) {
        return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
    }
    if (lead < 0xF0) {
        return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
    }
    return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F),
            4};
}

std::size_t utf8CharacterBefore(std::string_view text, std::size_t offset)
{
    do {
        --offset;
    } while (offset > 0 && (static_cast<unsigned char>(text[offset]) & 0xC0) == 0x80);
    return offset;
}

void appendUtf8(std::string& text, char32_t codePoint)
{
    const auto append = [&text](char32_t byte) { text += static_cast<char>(byte); };
    if (codePoint < 0x80) {
        append(codePoint);
        return;
    }
    if (codePoint < 0x800) {
        append(0xC0 | codePoint >> 6);
    } else {
        if (codePoint < 0x10000) {
            append(0xE0 | codePoint >> 12);
        } else {
            append(0xF0 | codePoint >> 18);
            append(0x80 | (codePoint >> 12 & 0x3F));
        }
        append(0x80 | (codePoint >> 6 & 0x3F));
    }
    append(0x80 | (codePoint & 0x3F));
}

void appendWithReplacements(std::string& text, std::string_view bytes)
{
    while (const std::optional<std::size_t> invalid = firstInvalidUtf8(bytes)) {
        text += bytes.substr(0, *invalid);
        text += "\xEF\xBF\xBD"; // U+FFFD
        const Sequence sequence = sequenceOf(static_cast<unsigned char>(bytes[*invalid]));
        bytes.remove_prefix(*invalid + lengthThere(bytes, *invalid, sequence));
    }
    text += bytes;
}

} // namespace longlora
