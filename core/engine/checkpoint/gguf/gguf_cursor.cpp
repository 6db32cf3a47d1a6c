// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/gguf_cursor.h"

#include "core/spec/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace longlora {

namespace {

constexpr std::uint64_t kBlockBytes = std::uint64_t{64} << 10;

} // namespace

GgufCursor::GgufCursor(const ByteSource& source, const std::string& file)
    : m_source(source)
    , m_file(file)
{}

void GgufCursor::take(std::span<char> bytes)
{
    if (bytes.size() > bytesLeft()) {
        fail(m_source.size(),
             fmt::format("the file ends here; {} bytes are missing", bytes.size() - bytesLeft()));
    }
    while (!bytes.empty()) {
        if (m_offset < m_blockOffset || m_offset - m_blockOffset >= m_block.size()) {
            m_block.resize(static_cast<std::size_t>(std::min(kBlockBytes, bytesLeft())));
            m_source.read(m_offset, m_block);
            m_blockOffset = m_offset;
        }
        const auto begin = static_cast<std::size_t>(m_offset - m_blockOffset);
        const std::size_t count = std::min(bytes.size(), m_block.size() - begin);
        std::copy_n(m_block.data() + begin, count, bytes.data());
        bytes = bytes.subspan(count);
        m_offset += count;
    }
}

std::uint64_t GgufCursor::unsignedNumber(unsigned bytes)
{
    std::array<char, 8> raw = {};
    take(std::span(raw).first(bytes));
    std::uint64_t value = 0;
    for (unsigned i = bytes; i-- > 0;) {
        value = value << 8 | static_cast<unsigned char>(raw[i]);
    }
    return value;
}

std::string GgufCursor::text(std::uint64_t mostBytes, const char* what)
{
    const std::uint64_t start = m_offset;
    const std::uint64_t length = uint64();
    if (length > bytesLeft()) {
        fail(start, fmt::format("{} of {} bytes, but only {} follow", what, length, bytesLeft()));
    }
    if (length > mostBytes) {
        fail(start, fmt::format("{} of {} bytes; {} are allowed", what, length, mostBytes));
    }
    std::string result(static_cast<std::size_t>(length), '\0');
    take(result);
    return result;
}

void GgufCursor::fail(std::uint64_t offset, const std::string& what, std::string hint) const
{
    throw FormatError(m_file, fmt::format("offset {}", offset), what, std::move(hint));
}

} // namespace longlora
