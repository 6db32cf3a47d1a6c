// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/infer/kv_format.h"
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
    explicit KvCache(const DecoderModel& model, KvFormat format = KvFormat::Model);

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

    /// The keys or values of a layer's tokens [first, end): [1, tokens, kv heads, head_dim] in the
    /// model's dtype. A view, but for Int8 a copy.
    at::Tensor keys(std::size_t layer, std::int64_t first, std::int64_t end) const;
    at::Tensor values(std::size_t layer, std::int64_t first, std::int64_t end) const;

    /// Those of a layer as kept: a head's tokens lie one after another.
    struct Stored {
        at::Tensor numbers; ///< [1, kv heads, capacity, head_dim], the model's dtype or int8
        at::Tensor scales;  ///< [1, kv heads, capacity] fp32; undefined: numbers are not scaled
    };
    const Stored& storedKeys(std::size_t layer) const { return m_layers[layer].k; }
    const Stored& storedValues(std::size_t layer) const { return m_layers[layer].v; }

private:
    Stored grown(const Stored& old, std::int64_t capacity) const;
    void store(const Stored& into, const at::Tensor& x) const;
    at::Tensor read(const Stored& stored, std::int64_t first, std::int64_t end) const;

    struct Layer {
        Stored k, v;
    };
    KvFormat m_format;
    std::vector<Layer> m_layers;
    std::vector<TokenId> m_ids;
    std::int64_t m_capacity = 0;
    std::int64_t m_kvHeadCount;
    std::int64_t m_headDim;
    at::TensorOptions m_options;
};

} // namespace longlora
