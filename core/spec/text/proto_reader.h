// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace longlora {

/// One field of a protobuf message: either a number (varint, fixed32, fixed64) or bytes.
struct ProtoField {
    enum class Kind { Varint, Fixed64, Bytes, Fixed32 };
    std::uint32_t number = 0;
    Kind kind = Kind::Varint;
    std::uint64_t value = 0;     ///< of the three kinds of numbers
    std::string_view bytes;      ///< of Bytes
    std::size_t offset = 0;      ///< of the field in the file
    std::size_t bytesOffset = 0; ///< of Bytes in the file
};

/// Walks the fields of a protobuf message without trusting a length in it. Groups, field number 0
/// and varints longer than ten bytes are refused.
class ProtoReader {
public:
    /// `offset`: where `message` begins in `file`. Both outlive this.
    ProtoReader(std::string_view message, std::size_t offset, const std::string& file);
    /// False at the end. Throws: FormatError with the offset.
    bool next(ProtoField& field);

private:
    std::uint64_t readVarint();
    std::string_view readBytes(std::uint64_t count);
    [[noreturn]] void fail(const char* what) const;

    std::string_view m_rest;
    std::size_t m_offset;
    const std::string& m_file;
};

} // namespace longlora
