// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/kv_format.h"

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace longlora {

/// Keys or values of one layer as kept: a head's tokens lie one after another.
struct StoredVectors {
    at::Tensor numbers; ///< [1, kv heads, tokens, head_dim], Int4: [.., bytes of a vector] uint8
    at::Tensor scales;  ///< Int8: [1, kv heads, tokens] fp32; undefined: numbers are not scaled
};

/// How vectors are stored in a format, and read again. What is stored for a vector depends on that
/// vector alone.
class KvStorage {
public:
    /// `options` tell dtype and device of the model.
    KvStorage(KvFormat format, std::int64_t kvHeads, std::int64_t headDim,
              const at::TensorOptions& options);

    /// Of one token's keys or values in one layer.
    double bytesPerToken() const;
    StoredVectors allocate(std::int64_t tokens) const;
    /// The vectors of tokens [first, end), which share memory with `stored`.
    static StoredVectors part(const StoredVectors& stored, std::int64_t first, std::int64_t end);
    /// Shapes: x [1, kv heads, tokens, head_dim], as many tokens as `into` has.
    void store(const StoredVectors& into, const at::Tensor& x) const;
    /// The same for one token, at a position [1], int64, that only the device need know. Not Int4.
    void storeAt(const StoredVectors& into, const at::Tensor& position, const at::Tensor& x) const;
    /// -> [1, kv heads, tokens, head_dim] in the model's dtype; if stored in that dtype a view.
    at::Tensor read(const StoredVectors& stored) const;
    /// The same into `y`, of that shape and dtype.
    void readInto(const at::Tensor& y, const StoredVectors& stored) const;

private:
    KvFormat m_format;
    std::int64_t m_kvHeads;
    std::int64_t m_headDim;
    at::TensorOptions m_options;
};

} // namespace longlora
