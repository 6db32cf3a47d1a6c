// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/matrix_units.h"
#include "kernels/number_types.h"
#include "kernels/tile_product.h"

#include <cstdint>
#include <optional>
#include <type_traits>

namespace longlora {

/// C = A B, or C += A B, of a tile: A row-major, B paired (kernels/paired_matrix.h), C fp32. T is
/// float or kernels::BFloat16.
template <typename T>
struct SmallProduct {
    std::int64_t rows, columns, inner;
    bool adds;
    const T* a;
    std::int64_t strideA;
    const T* b;
    float* c;
};

/// By LibTorch's small matrix kernels.
void multiplyByLibTorch(const SmallProduct<float>& product);
void multiplyByLibTorch(const SmallProduct<kernels::BFloat16>& product);
/// Gives back what they hold of this thread's units.
template <typename T>
void releaseLibTorch();

/// Whether this processor has such products, ours or LibTorch's.
template <typename T>
bool hasTileProducts();

/// The products of one thread's attention. In bf16 our matrix units' kernel takes them, if head_dim
/// suits it, and they can go along with a softmax; else LibTorch does, one after the other.
template <typename T>
class Multiplier {
public:
    explicit Multiplier(std::int64_t headDim)
    {
        if (isOurs(headDim)) {
            m_session.emplace();
        }
    }
    ~Multiplier()
    {
        if (!m_session) {
            releaseLibTorch<T>();
        }
    }
    Multiplier(const Multiplier&) = delete;
    Multiplier& operator=(const Multiplier&) = delete;

    void now(const SmallProduct<T>& product)
    {
        meanwhile(product);
        finish();
    }
    /// At finish() at the latest.
    void meanwhile(const SmallProduct<T>& p)
    {
        if constexpr (!std::is_same_v<T, float>) {
            if (m_session) {
                m_queue.add({p.rows, p.columns, p.inner, p.adds, p.a, p.strideA, p.b, p.c});
                return;
            }
        }
        multiplyByLibTorch(p);
    }
    void finish()
    {
        if (m_session) {
            m_queue.finish();
        }
    }
    /// For the softmax they go along with; nullptr: none.
    kernels::TileQueue* queue() { return m_session ? &m_queue : nullptr; }

private:
    /// Every product of attention has head_dim as one of its edges.
    static bool isOurs(std::int64_t headDim)
    {
        constexpr std::int64_t kEdges = 32;
        return !std::is_same_v<T, float> && headDim % kEdges == 0 && kernels::hasMatrixUnits();
    }

    std::optional<kernels::TileSession> m_session;
    kernels::TileQueue m_queue;
};

} // namespace longlora
