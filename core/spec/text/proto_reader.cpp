// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/proto_reader.h"

#include "core/spec/base/error.h"

namespace longlora {

namespace {

std::uint64_t littleEndian(std::string_view bytes)
{
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
        value = value << 8 | static_cast<unsigned char>(bytes[i]);
    }
    return value;
}

} // namespace

ProtoReader::ProtoReader(std::string_view message, std::size_t offset, const std::string& file)
    : m_rest(message)
    , m_offset(offset)
    , m_file(file)
{}

bool ProtoReader::next(ProtoField& field)
{
    if (m_rest.empty()) {
        return false;
    }
    field = {};
    field.offset = m_offset;
    const std::uint64_t tag = readVarint();
    if (tag >> 32 != 0 || tag >> 3 == 0) {
        fail("a field has a number that protobuf does not allow");
    }
    field.number = static_cast<std::uint32_t>(tag >> 3);
    switch (tag & 7) {
    case 0:
        field.kind = ProtoField::Kind::Varint;
        field.value = readVarint();
        return true;
    case 1:
        field.kind = ProtoField::Kind::Fixed64;
        field.value = littleEndian(readBytes(8));
        return true;
    case 2:
        field.kind = ProtoField::Kind::Bytes;
        field.bytes = readBytes(readVarint());
        field.bytesOffset = m_offset - field.bytes.size();
        return true;
    case 5:
        field.kind = ProtoField::Kind::Fixed32;
        field.value = littleEndian(readBytes(4));
        return true;
    default:
        fail("a field has a wire type that is not used here");
    }
}

std::uint64_t ProtoReader::readVarint()
{
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (m_rest.empty()) {
            fail("the file ends within a number");
        }
        const auto byte = static_cast<unsigned char>(m_rest.front());
        m_rest.remove_prefix(1);
        ++m_offset;
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    fail("a number is longer than 64 bits");
}

std::string_view ProtoReader::readBytes(std::uint64_t count)
{
    if (count > m_rest.size()) {
        fail("a field reaches beyond the end");
    }
    const std::string_view bytes = m_rest.substr(0, static_cast<std::size_t>(count));
    m_rest.remove_prefix(bytes.size());
    m_offset += bytes.size();
    return bytes;
}

void ProtoReader::fail(const char* what) const
{
    throw FormatError(m_file, "offset " + std::to_string(m_offset), what,
                      "The file is damaged or no tokenizer.model; fetch it again.");
}

} // namespace longlora
