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

} // namespace

std::size_t utf8CharacterLength(std::string_view text, std::size_t offset)
{
    const Sequence sequence = sequenceOf(static_cast<unsigned char>(text[offset]));
    if (sequence.length > text.size() - offset) {
        return 0;
    }
    for (std::size_t i = 1; i < sequence.length; ++i) {
        const auto byte = static_cast<unsigned char>(text[offset + i]);
        if (byte < (i == 1 ? sequence.low : 0x80) || byte > (i == 1 ? sequence.high : 0xBF)) {
            return 0;
        }
    }
    return sequence.length;
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

} // namespace longlora
