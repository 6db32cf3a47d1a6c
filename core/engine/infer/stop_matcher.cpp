// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/stop_matcher.h"

#include "core/spec/base/error.h"

#include <algorithm>
#include <utility>

namespace longlora {

namespace {

/// Length of the longest end of `text` that `stop` begins with, short of all of `stop`.
std::size_t partialMatch(const std::string& text, const std::string& stop)
{
    std::size_t length = std::min(text.size(), stop.size() - 1);
    while (length > 0 && text.compare(text.size() - length, length, stop, 0, length) != 0) {
        --length;
    }
    return length;
}

} // namespace

StopMatcher::StopMatcher(std::vector<std::string> stops)
    : m_stops(std::move(stops))
{
    if (std::any_of(m_stops.begin(), m_stops.end(), [](const auto& s) { return s.empty(); })) {
        throw ConfigError("A stop string is empty.", "Leave it out.");
    }
}

std::string StopMatcher::push(const std::string& piece)
{
    if (m_stopped) {
        return {};
    }
    m_held += piece;
    std::size_t end = std::string::npos;
    std::size_t hold = 0;
    for (const std::string& stop : m_stops) {
        end = std::min(end, m_held.find(stop));
        hold = std::max(hold, partialMatch(m_held, stop));
    }
    m_stopped = end != std::string::npos;
    std::string certain = m_held.substr(0, m_stopped ? end : m_held.size() - hold);
    m_held.erase(0, certain.size());
    return certain;
}

std::string StopMatcher::finish()
{
    return m_stopped ? std::string() : std::exchange(m_held, {});
}

} // namespace longlora
