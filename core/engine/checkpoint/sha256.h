// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace longlora {

/// SHA-256 of what is added to it.
class Sha256 {
public:
    Sha256();
    ~Sha256();
    void add(std::string_view bytes);
    /// Once, at the end: 64 hexadecimal digits.
    std::string hex();

private:
    struct State;
    std::unique_ptr<State> m_state;
};

} // namespace longlora
