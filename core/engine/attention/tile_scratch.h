// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>

namespace longlora {

/// Hands out parts of a block of memory; without one it only counts.
class Scratch {
public:
    explicit Scratch(std::byte* block = nullptr)
        : m_block(block)
    {}
    template <typename T>
    T* take(std::int64_t count)
    {
        constexpr std::size_t kCacheLine = 64;
        const std::size_t begin = m_used;
        m_used += (static_cast<std::size_t>(count) * sizeof(T) + kCacheLine - 1) / kCacheLine *
                  kCacheLine;
        return m_block != nullptr ? reinterpret_cast<T*>(m_block + begin) : nullptr;
    }
    std::size_t used() const { return m_used; }

private:
    std::byte* m_block;
    std::size_t m_used = 0;
};

} // namespace longlora
