// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/content_hash.h"

#include <xxhash.h>

#include <new>

namespace longlora {

struct ContentHash::State {
    XXH3_state_t* hash = XXH3_createState();
    ~State() { XXH3_freeState(hash); }
};

ContentHash::ContentHash()
    : m_state(std::make_unique<State>())
{
    if (m_state->hash == nullptr || XXH3_128bits_reset(m_state->hash) != XXH_OK) {
        throw std::bad_alloc();
    }
}

ContentHash::~ContentHash() = default;

void ContentHash::add(std::string_view bytes)
{
    XXH3_128bits_update(m_state->hash, bytes.data(), bytes.size());
}

ContentHash::Value ContentHash::value() const
{
    const XXH128_hash_t hash = XXH3_128bits_digest(m_state->hash);
    return {hash.high64, hash.low64};
}

} // namespace longlora
