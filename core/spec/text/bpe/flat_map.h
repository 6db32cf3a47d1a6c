// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace longlora {

/// A hash map from 64-bit keys that is filled once and then read often, in one block of memory.
/// Where a key lands differs from map to map, so that no file can be made to collide.
template <class Value>
class FlatMap {
public:
    /// Makes room for `count` keys.
    explicit FlatMap(std::size_t count = 0)
        : m_seed(std::random_device{}() | std::uint64_t{std::random_device{}()} << 32)
    {
        std::size_t slots = 8;
        while (slots < count * 2) {
            slots *= 2;
        }
        m_slots.resize(slots);
    }

    /// Sets the value of `key`, which is not UINT64_MAX.
    void set(std::uint64_t key, const Value& value)
    {
        if ((m_count + 1) * 2 > m_slots.size()) {
            grow();
        }
        Slot& slot = m_slots[slotOf(key)];
        m_count += slot.key == key ? 0 : 1;
        slot = {key, value};
    }

    /// Null if there is none.
    const Value* find(std::uint64_t key) const
    {
        const Slot& slot = m_slots[slotOf(key)];
        return slot.key == key ? &slot.value : nullptr;
    }

private:
    static constexpr std::uint64_t kEmpty = UINT64_MAX;
    struct Slot {
        std::uint64_t key = kEmpty;
        Value value = {};
    };

    std::size_t slotOf(std::uint64_t key) const
    {
        // The finaliser of MurmurHash3.
        std::uint64_t hash = key ^ m_seed;
        hash = (hash ^ hash >> 33) * 0xFF51AFD7ED558CCD;
        hash = (hash ^ hash >> 33) * 0xC4CEB9FE1A85EC53;
        const std::size_t mask = m_slots.size() - 1;
        std::size_t slot = (hash ^ hash >> 33) & mask;
        while (m_slots[slot].key != kEmpty && m_slots[slot].key != key) {
            slot = (slot + 1) & mask;
        }
        return slot;
    }

    void grow()
    {
        std::vector<Slot> old(m_slots.size() * 2);
        old.swap(m_slots);
        for (const Slot& slot : old) {
            if (slot.key != kEmpty) {
                m_slots[slotOf(slot.key)] = slot;
            }
        }
    }

    std::uint64_t m_seed;
    std::size_t m_count = 0;
    std::vector<Slot> m_slots;
};

} // namespace longlora
