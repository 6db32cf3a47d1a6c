// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <vector>

namespace longlora {

/// Lets a stream of text through up to the first stop string, and holds back what may yet become
/// one, however the text is cut into pieces.
class StopMatcher {
public:
    /// Throws: ConfigError if one of `stops` is empty.
    explicit StopMatcher(std::vector<std::string> stops);

    /// The text that became certain with `piece`.
    std::string push(const std::string& piece);
    /// What was held back, at the end of the stream; nothing after a stop string.
    std::string finish();
    /// Whether a stop string came.
    bool stopped() const noexcept { return m_stopped; }

private:
    std::vector<std::string> m_stops;
    std::string m_held;
    bool m_stopped = false;
};

} // namespace longlora
