// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

namespace longlora {

/// A fast 128-bit hash (XXH3) of what is added to it: tells damage, not malice. For telling one
/// model from another there is Sha256.
class ContentHash {
public:
    using Value = std::pair<std::uint64_t, std::uint64_t>;

    ContentHash();
    ~ContentHash();
    void add(std::string_view bytes);
    Value value() const;

private:
    struct State;
    std::unique_ptr<State> m_state;
};

} // namespace longlora
