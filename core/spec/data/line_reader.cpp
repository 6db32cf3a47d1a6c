// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/data/line_reader.h"

#include "core/spec/base/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace longlora {

LineReader::LineReader(const std::filesystem::path& file)
    : m_file(file)
    , m_stream(file, std::ios::binary)
{
    if (!m_stream) {
        throw DataError(fmt::format("Cannot read {}: {}", file.string(),
                                    std::system_category().message(errno)));
    }
}

bool LineReader::next(std::string& line)
{
    line.clear();
    bool any = false;
    while (m_position < m_block.size() || fill()) {
        any = true;
        const std::size_t end = m_block.find('\n', m_position);
        const std::size_t stop = end == std::string::npos ? m_block.size() : end;
        line.append(m_block, m_position, stop - m_position);
        m_bytesRead += static_cast<std::int64_t>(stop - m_position);
        m_position = stop;
        if (line.size() > kLineBytes) {
            throw FormatError(m_file.string(), fmt::format("line {}", m_lineNumber + 1),
                              "it is longer than 64 MB", "Divide the document.");
        }
        if (end != std::string::npos) {
            ++m_position;
            ++m_bytesRead;
            break;
        }
    }
    if (!any) {
        return false;
    }
    constexpr std::string_view kBom = "\xEF\xBB\xBF";
    if (++m_lineNumber == 1 && line.starts_with(kBom)) {
        line.erase(0, kBom.size());
    }
    if (line.ends_with('\r')) {
        line.pop_back();
    }
    return true;
}

bool LineReader::fill()
{
    constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
    m_block.resize(kBlockBytes);
    m_stream.read(m_block.data(), static_cast<std::streamsize>(kBlockBytes));
    if (m_stream.bad()) {
        throw DataError("Cannot read on in " + m_file.string());
    }
    m_block.resize(static_cast<std::size_t>(m_stream.gcount()));
    m_position = 0;
    return !m_block.empty();
}

} // namespace longlora
