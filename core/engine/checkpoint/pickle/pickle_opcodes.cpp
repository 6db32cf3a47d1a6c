// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/pickle/pickle_opcodes.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

namespace longlora {

namespace {

/// What is refused, by Python's name: people look it up.
constexpr std::array<std::pair<std::uint8_t, std::string_view>, 31> kRefused = {{
    {'0', "POP"},          {'1', "POP_MARK"},       {'2', "DUP"},
    {'B', "BINBYTES"},     {'C', "SHORT_BINBYTES"}, {'F', "FLOAT"},
    {'I', "INT"},          {'L', "LONG"},           {'P', "PERSID"},
    {'S', "STRING"},       {'T', "BINSTRING"},      {'U', "SHORT_BINSTRING"},
    {'V', "UNICODE"},      {'d', "DICT"},           {'g', "GET"},
    {'i', "INST"},         {'l', "LIST"},           {'o', "OBJ"},
    {'p', "PUT"},          {0x81, "NEWOBJ"},        {0x82, "EXT1"},
    {0x83, "EXT2"},        {0x84, "EXT4"},          {0x8b, "LONG4"},
    {0x8e, "BINBYTES8"},   {0x8f, "EMPTY_SET"},     {0x90, "ADDITEMS"},
    {0x91, "FROZENSET"},   {0x92, "NEWOBJ_EX"},     {0x96, "BYTEARRAY8"},
    {0x97, "NEXT_BUFFER"},
}};

} // namespace

std::string describeOpcode(Opcode opcode)
{
    const auto code = static_cast<std::uint8_t>(opcode);
    for (const auto& [refused, name] : kRefused) {
        if (refused == code) {
            return fmt::format("opcode {:#04x} ({})", code, name);
        }
    }
    return fmt::format("opcode {:#04x}", code);
}

} // namespace longlora
