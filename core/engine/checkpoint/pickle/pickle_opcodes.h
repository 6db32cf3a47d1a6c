// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>

namespace longlora {

/// The instructions of pickles that dicts of tensors consist of. Source: CPython,
/// Lib/pickletools.py (whose names differ: BINUNICODE is Text32, BINPUT Put8, BINPERSID
/// PersistentId).
enum class Opcode : std::uint8_t {
    Mark = '(',
    Stop = '.',
    None = 'N',
    Reduce = 'R',
    Build = 'b',
    Append = 'a',
    Appends = 'e',
    SetItem = 's',
    SetItems = 'u',
    EmptyDict = '}',
    EmptyList = ']',
    EmptyTuple = ')',
    Tuple = 't',
    Global = 'c',
    Real = 'G',
    Integer8 = 'K',
    Integer16 = 'M',
    Integer32 = 'J',
    PersistentId = 'Q',
    Text32 = 'X',
    Get8 = 'h',
    Get32 = 'j',
    Put8 = 'q',
    Put32 = 'r',
    Protocol = 0x80,
    Tuple1 = 0x85,
    Tuple2 = 0x86,
    Tuple3 = 0x87,
    True = 0x88,
    False = 0x89,
    Long = 0x8a,
    Text8 = 0x8c,
    Text64 = 0x8d,
    StackGlobal = 0x93,
    Memoize = 0x94,
    Frame = 0x95,
};

/// What to do about a pickle that wants more than tensors.
inline constexpr const char* kHostileFileAdvice =
    "Do not load it with Python: such files can run code. Get the model as safetensors, or from a "
    "source you trust.";

/// Any opcode as messages show it: "opcode 0x81 (NEWOBJ)", by Python's name where it has one.
std::string describeOpcode(Opcode opcode);

} // namespace longlora
