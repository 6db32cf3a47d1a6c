// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/gguf/byte_source.h"

#include <cstdint>
#include <string>

namespace longlora {

/// Reads the little-endian numbers and the strings of a GGUF header one after another, never past
/// the end of the file. Throws: FormatError with file and offset.
class GgufCursor {
public:
    /// Both outlive this.
    GgufCursor(const ByteSource& source, const std::string& file);

    std::uint64_t offset() const noexcept { return m_offset; }
    std::uint64_t bytesLeft() const noexcept { return m_source.size() - m_offset; }

    /// Of 1, 2, 4 or 8 bytes, without sign.
    std::uint64_t unsignedNumber(unsigned bytes);
    std::uint32_t uint32() { return static_cast<std::uint32_t>(unsignedNumber(4)); }
    std::uint64_t uint64() { return unsignedNumber(8); }
    /// Length (8 bytes) and text. `what` names it in messages.
    std::string text(std::uint64_t mostBytes, const char* what);

    [[noreturn]] void fail(std::uint64_t offset, const std::string& what,
                           std::string hint = {}) const;

private:
    void take(std::span<char> bytes);

    const ByteSource& m_source;
    const std::string& m_file;
    std::uint64_t m_offset = 0;
    std::string m_block; ///< what was read ahead
    std::uint64_t m_blockOffset = 0;
};

} // namespace longlora
