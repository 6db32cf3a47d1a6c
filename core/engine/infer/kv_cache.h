// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/infer/kv_storage.h"
#include "core/spec/text/tokenizer.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace longlora {

struct DecoderModel;

/// The keys and values of a text that was already read, layer by layer, and the ids of that text.
/// Keys are stored with the rotary embedding applied.
///
/// In Int4 the newest 64 to 127 tokens are recent: kept in the model's dtype. They are stored in 4
/// bits by blocks of 64, at places that depend on the number of tokens alone, and then for good:
/// what is held is the same whether tokens came together or one by one.
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
    KvFormat format() const noexcept { return m_format; }
    double bytes() const; ///< allocated
    KvMemory memory() const;
    double bytesFor(std::int64_t tokens) const;

    /// Forgets everything from token `length` on. In Int4 also up to 127 tokens before it, where
    /// what has gone would leave fewer recent ones than a text of that length has: read again,
    /// they are.
    void truncate(std::int64_t length);

    /// Puts the keys and values of new tokens behind those held; they count once append() names
    /// their ids. Shapes: k and v [1, new, kv heads, head_dim]; length() + new <= capacity().
    void write(std::size_t layer, const at::Tensor& k, const at::Tensor& v);
    /// The same for one token at `position` [1], int64 on the device: length(), which the host need
    /// not know. Not Int4.
    void writeAt(std::size_t layer, const at::Tensor& position, const at::Tensor& k,
                 const at::Tensor& v);
    void append(std::span<const TokenId> ids);

    /// The keys or values of a layer's tokens [first, end): [1, tokens, kv heads, head_dim] in the
    /// model's dtype. A view where they are kept in it, else a copy.
    at::Tensor keys(std::size_t layer, std::int64_t first, std::int64_t end) const;
    at::Tensor values(std::size_t layer, std::int64_t first, std::int64_t end) const;

    /// Keys or values of a layer as kept.
    struct Kept {
        StoredVectors stored;
        at::Tensor recent; ///< [1, kv heads, 2 blocks, head_dim], from token firstRecent() on
    };
    const Kept& keptKeys(std::size_t layer) const { return m_layers[layer].k; }
    const Kept& keptValues(std::size_t layer) const { return m_layers[layer].v; }
    /// Tokens of a layer before it are stored, those from it on recent; capacity() but for Int4.
    std::int64_t firstRecent(std::size_t layer) const;

private:
    struct Layer {
        Kept k, v;
        std::int64_t firstRecent = 0; ///< after the tokens that are being written; Int4
    };
    /// Of a text of `length` tokens; 0 but for Int4.
    std::int64_t firstRecentOf(std::int64_t length) const;
    Kept grown(const Kept& old, std::int64_t capacity) const;
    void writeBehindRecent(const Kept& into, const at::Tensor& heads, std::int64_t first) const;
    at::Tensor read(const Layer& layer, const Kept& kept, std::int64_t first,
                    std::int64_t end) const;
    void forgetAll();

    KvFormat m_format;
    at::TensorOptions m_options;
    std::int64_t m_kvHeadCount;
    std::int64_t m_headDim;
    KvStorage m_storage;
    std::vector<Layer> m_layers;
    std::vector<TokenId> m_ids;
    std::int64_t m_capacity = 0;
    std::int64_t m_firstRecent = 0; ///< of every layer, between passes; Int4
};

} // namespace longlora
