// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/tokenizer.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace longlora {

struct DecoderModel;

/// The keys and values of a text that was already read, layer by layer, and the ids of that text.
/// Keys are stored with the rotary embedding applied.
class KvCache {
public:
    /// Takes shapes, dtype and device from `model`; allocates nothing.
    explicit KvCache(const DecoderModel& model);

    /// Makes room for `tokens` and keeps what is held.
    /// Throws: DeviceError with the bytes asked for and those free.
    void reserve(std::int64_t tokens);

    /// Ids of the tokens held.
    const std::vector<TokenId>& ids() const noexcept { return m_ids; }
    std::int64_t length() const noexcept { return static_cast<std::int64_t>(m_ids.size()); }
    std::int64_t capacity() const noexcept { return m_capacity; } ///< tokens
    double bytes() const { return bytesFor(m_capacity); }         ///< allocated
    double bytesFor(std::int64_t tokens) const;

    /// Forgets everything from token `length` on.
    void truncate(std::int64_t length);

    /// Puts the keys and values of new tokens behind those held; they count once append() names
    /// their ids. Shapes: k and v [1, new, kv heads, head_dim]; length() + new <= capacity().
    void write(std::size_t layer, const at::Tensor& k, const at::Tensor& v);
    void append(std::span<const TokenId> ids);

    /// The first `tokens` keys or values of a layer, a view: [1, tokens, kv heads, head_dim].
    at::Tensor keys(std::size_t layer, std::int64_t tokens) const;
    at::Tensor values(std::size_t layer, std::int64_t tokens) const;

private:
    at::Tensor grown(const at::Tensor& old, std::int64_t capacity) const;

    struct Layer {
        at::Tensor k, v; ///< [1, capacity, kv heads, head_dim]
    };
    std::vector<Layer> m_layers;
    std::vector<TokenId> m_ids;
    std::int64_t m_capacity = 0;
    std::int64_t m_kvHeadCount;
    std::int64_t m_headDim;
    at::TensorOptions m_options;
};

} // namespace longlora
