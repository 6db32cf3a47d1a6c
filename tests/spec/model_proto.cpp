// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/spec/model_proto.h"

#include <bit>
#include <cstdio>

namespace longlora::test {

namespace {

std::string littleEndian(std::uint32_t value)
{
    std::string bytes;
    for (int i = 0; i < 4; ++i, value >>= 8) {
        bytes += static_cast<char>(value & 0xFF);
    }
    return bytes;
}

} // namespace

std::string varint(std::uint64_t value)
{
    std::string bytes;
    for (; value >= 0x80; value >>= 7) {
        bytes += static_cast<char>((value & 0x7F) | 0x80);
    }
    return bytes + static_cast<char>(value);
}

std::string varintField(std::uint32_t number, std::uint64_t value)
{
    return varint(std::uint64_t{number} << 3) + varint(value);
}

std::string floatField(std::uint32_t number, float value)
{
    return varint(std::uint64_t{number} << 3 | 5) +
           littleEndian(std::bit_cast<std::uint32_t>(value));
}

std::string bytesField(std::uint32_t number, const std::string& bytes)
{
    return varint(std::uint64_t{number} << 3 | 2) + varint(bytes.size()) + bytes;
}

std::string piece(const std::string& text, float score, std::uint64_t type)
{
    return bytesField(1, text) + floatField(2, score) + varintField(3, type);
}

ModelProto::ModelProto()
    : pieces{piece("<unk>", 0, 2), piece("<s>", 0, 3), piece("</s>", 0, 3)}
    , trainer(varintField(3, 2) + varintField(35, 1))
    , normalizer(bytesField(1, "identity") + varintField(4, 0))
{
    for (unsigned byte = 0; byte < 256; ++byte) {
        char text[8];
        std::snprintf(text, sizeof(text), "<0x%02X>", byte);
        pieces.push_back(piece(text, 0, 6));
    }
    const std::vector<std::string> texts = {"\xE2\x96\x81",
                                            "a",
                                            "b",
                                            "c",
                                            "ab",
                                            "abc",
                                            "\xE2\x96\x81"
                                            "a"};
    for (std::size_t i = 0; i < texts.size(); ++i) {
        pieces.push_back(piece(texts[i], -static_cast<float>(i), 1));
    }
}

std::string ModelProto::bytes() const
{
    std::string bytes;
    for (const std::string& piece : pieces) {
        bytes += bytesField(1, piece);
    }
    return bytes + bytesField(2, trainer) + bytesField(3, normalizer) + rest;
}

std::string charsmap(std::vector<std::uint32_t> units, const std::string& texts)
{
    while (units.size() % 256 != 0) {
        // Its label fits no place from which it could be reached.
        units.push_back(unit(static_cast<std::uint32_t>(units.size() & 0xFF) ^ 0xFFU, 0, false));
    }
    std::string bytes = littleEndian(static_cast<std::uint32_t>(units.size() * 4));
    for (const std::uint32_t each : units) {
        bytes += littleEndian(each);
    }
    return bytes + texts;
}

std::uint32_t unit(std::uint32_t label, std::uint32_t offset, bool hasLeaf)
{
    return label | (hasLeaf ? 1U << 8 : 0U) | offset << 10;
}

std::uint32_t valueUnit(std::uint32_t value)
{
    return value | 1U << 31;
}

std::vector<std::uint32_t> goodUnits()
{
    std::vector<std::uint32_t> units(256);
    for (std::uint32_t i = 0; i < 256; ++i) {
        units[i] = unit((i ^ 1U ^ 0x80U) & 0xFF, 0, false);
    }
    units[0] = unit(0, 1, false);                       // root: base 1
    units[1U ^ 'A'] = unit('A', (1U ^ 'A') ^ 2U, true); // base 2, with a leaf
    units[2] = valueUnit(0);
    return units;
}

} // namespace longlora::test
