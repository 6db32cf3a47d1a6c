// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace longlora {

/// A file as bytes at offsets, wherever they come from.
struct ArchiveBytes {
    std::string name; ///< in messages
    std::uint64_t size = 0;
    /// `count` bytes from `offset` on; whoever asks has checked that they lie inside `size`.
    std::function<std::string(std::uint64_t offset, std::uint64_t count)> read;
};

/// Bytes in memory that outlive what is returned.
inline ArchiveBytes archiveInMemory(std::string name, std::string_view bytes)
{
    return {std::move(name), bytes.size(), [bytes](std::uint64_t offset, std::uint64_t count) {
                return std::string(bytes.substr(offset, count));
            }};
}

} // namespace longlora
