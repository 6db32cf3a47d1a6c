// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace longlora {

/// A name from a file as a message may carry it: ASCII, and not too long.
inline std::string printable(std::string_view name)
{
    constexpr std::size_t kLongest = 160;
    std::string text(name.substr(0, kLongest));
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return name.size() > kLongest ? text + "..." : text;
}

} // namespace longlora
