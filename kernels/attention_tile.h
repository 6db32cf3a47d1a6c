// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/paired_matrix.h"
#include "kernels/tile_product.h"

#include <cstdint>

namespace longlora::kernels {

// What attention does to a tile of scores between two matrix products, on one thread of a CPU. The
// products are the caller's.
//
// A tile is transposed: row r is a key, column c a query, so that maxima and sums over keys run
// down the columns and a vector unit takes many queries at once. T is float or BFloat16. A "paired"
// matrix [rows, columns] is what matrix units take as their right operand: for BFloat16 rows 2r and
// 2r + 1 stand interleaved, [rows / 2, columns, 2]; for float it is the plain matrix.

/// Which queries see which keys: query c sees key r where first <= c - r < first + window.
struct TileVisibility {
    std::int64_t first = 0;  ///< of row 0; row r sees from first + r on
    std::int64_t window = 0; ///< columns that a row sees at most
    std::int64_t keys = 0;   ///< rows that are keys; none sees the others
};

/// Scores of pairs that do not see each other become -inf. Shape: scores [keys, queries] fp32.
void hideScores(float* scores, std::int64_t keys, std::int64_t queries,
                const TileVisibility& visible);

/// Softmax over keys, tile after tile: with m and l of the tiles before,
///
///   m' = max_r s[r] if that is well above m, else m
///   P[r] = exp(scale (s[r] - m')),  shrink = exp(scale (m - m')),  l' = shrink l + sum_r P[r]
///
/// Returns whether any m grew, that is, whether what was summed before has to be shrunk.
/// Shapes: scores [keys, queries] fp32; maximum, sum, shrink and tileMaximum (scratch) [queries];
/// share: paired P. Source: Milakov and Gimelshein 2018 (arXiv:1805.02867), alg. 3, on tiles.
template <typename T>
struct SoftmaxTile {
    float* scores = nullptr;
    std::int64_t keys = 0; ///< even
    std::int64_t queries = 0;
    float scale = 1.0F;
    float* maximum = nullptr;
    float* sum = nullptr;
    float* shrink = nullptr;
    float* tileMaximum = nullptr;
    T* share = nullptr;
    TileQueue* meanwhile = nullptr; ///< steps of it are taken while this is computed
};
template <typename T>
bool softmaxTile(const SoftmaxTile<T>& args);

/// x[r, c] *= factor[c]. Shape: x [rows, columns].
void scaleColumns(float* x, std::int64_t rows, std::int64_t columns, const float* factor);

/// Gradient of the scores, times the scale:
///
///   P[r] = exp(scale s[r] - lse),  dS[r] = scale P[r] (dP[r] - delta)
///
/// with lse the log-sum-exp of a query's scaled scores and delta = sum_d dOut[d] out[d].
/// Shapes: scores and dShare [keys, queries] fp32; lse and delta [queries]; share and dScores
/// row-major [keys, queries]; dScoresPaired the paired matrix (nullptr for float).
/// Source: Dao et al. 2022 (arXiv:2205.14135), app. B.2.
template <typename T>
struct SoftmaxTileGradient {
    const float* scores = nullptr;
    const float* dShare = nullptr;
    std::int64_t keys = 0; ///< even
    std::int64_t queries = 0;
    float scale = 1.0F;
    const float* logSumExp = nullptr;
    const float* delta = nullptr;
    T* share = nullptr;
    T* dScores = nullptr;
    T* dScoresPaired = nullptr;
    TileQueue* meanwhile = nullptr; ///< steps of it are taken while this is computed
};
template <typename T>
void softmaxTileBackward(const SoftmaxTileGradient<T>& args);

/// out[r] = sum_c a[r, c] b[r, c], for a.count rows.
template <typename T>
void rowDots(const Rows<T>& a, const Rows<T>& b, std::int64_t columns, float* out);

/// sums[r, c] are added to out[r, c], rows of `out` `outStride` apart. Shape: sums [rows, columns].
template <typename T>
void addRows(const float* sums, std::int64_t rows, std::int64_t columns, T* out,
             std::int64_t outStride);

} // namespace longlora::kernels
