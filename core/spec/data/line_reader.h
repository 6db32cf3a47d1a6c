// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace longlora {

/// Reads a text file line by line without ever holding more than one line of limited length.
class LineReader {
public:
    static constexpr std::size_t kLineBytes = std::size_t{64} << 20;

    /// Throws: DataError if `file` cannot be opened.
    explicit LineReader(const std::filesystem::path& file);
    /// The next line without its LF or CRLF; a BOM before the first is removed. False at the end.
    /// Throws: FormatError with the line's number if it is longer than 64 MB; DataError if the file
    /// cannot be read on.
    bool next(std::string& line);
    /// Of the line read last, from 1.
    std::int64_t lineNumber() const noexcept { return m_lineNumber; }
    std::int64_t bytesRead() const noexcept { return m_bytesRead; }

private:
    bool fill();

    std::filesystem::path m_file;
    std::ifstream m_stream;
    std::string m_block;
    std::size_t m_position = 0;
    std::int64_t m_lineNumber = 0;
    std::int64_t m_bytesRead = 0;
};

} // namespace longlora
