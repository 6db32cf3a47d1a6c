// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/byte_alphabet.h"

#include "core/spec/text/utf8.h"

#include <array>

namespace longlora {

namespace {

constexpr char32_t kFirstSubstitute = 0x100;
constexpr std::size_t kSubstitutes = 68;

constexpr bool standsForItself(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
    std::array<char32_t, 256> characters = {};
    std::array<unsigned char, kSubstitutes> substituted = {};
};

constexpr Alphabet makeAlphabet()
{
    Alphabet alphabet;
    std::size_t count = 0;
    for (unsigned byte = 0; byte < 256; ++byte) {
        alphabet.characters[byte] = byte;
        if (!standsForItself(byte)) {
            alphabet.characters[byte] = kFirstSubstitute + static_cast<char32_t>(count);
            alphabet.substituted[count++] = static_cast<unsigned char>(byte);
        }
    }
    return alphabet;
}

constexpr Alphabet kAlphabet = makeAlphabet();

} // namespace

char32_t characterOfByte(unsigned char byte)
{
    return kAlphabet.characters[byte];
}

std::optional<std::string> bytesOfToken(std::string_view token)
{
    std::string bytes;
    for (std::size_t i = 0; i < token.size();) {
        const auto [codePoint, length] = utf8CharacterAt(token, i);
        if (codePoint < kFirstSubstitute && standsForItself(codePoint)) {
            bytes += static_cast<char>(codePoint);
        } else if (codePoint >= kFirstSubstitute && codePoint < kFirstSubstitute + kSubstitutes) {
            bytes += static_cast<char>(kAlphabet.substituted[codePoint - kFirstSubstitute]);
        } else {
            return std::nullopt;
        }
        i += length;
    }
    return bytes;
}

} // namespace longlora
