// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace longlora {

/// The unsigned number that `width` (at most 8) bytes of `bytes` from `at` on spell, lowest first.
/// They must be there.
inline std::uint64_t littleEndian(std::string_view bytes, std::size_t at, std::size_t width)
{
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) {
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    }
    return value;
}

/// A name from a file as a message may carry it.
std::string printableName(std::string_view name);

} // namespace longlora
