// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/number_types.h"

#include <cstdint>

#if defined(__x86_64__) && defined(__linux__)
#    define LONGLORA_HAS_MATRIX_UNITS
#    include <immintrin.h>
#endif

namespace longlora::kernels {

/// Whether this processor has matrix units for bf16 (AMX), and AVX-512 with conversions to bf16
/// beside them, and the system lets the process use them; the environment variable
/// LONGLORA_MATRIX_UNITS=off says no for it.
bool hasMatrixUnits();

/// While one lives, all eight tiles of its thread have 16 rows of 64 bytes. Only where
/// hasMatrixUnits().
class TileSession {
public:
    TileSession();
    ~TileSession();
    TileSession(const TileSession&) = delete;
    TileSession& operator=(const TileSession&) = delete;
};

#ifdef LONGLORA_HAS_MATRIX_UNITS

// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, vol. 1, ch. 18, and vol. 2.

/// A function with this mark may be called only where hasMatrixUnits().
#    define LONGLORA_MATRIX_UNITS                                                                  \
        __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#    define LONGLORA_MATRIX_UNITS_INLINE LONGLORA_MATRIX_UNITS [[gnu::always_inline]] inline

inline constexpr std::int64_t kTileEdge = 16;  ///< rows of a tile; its columns of 32 bits
inline constexpr std::int64_t kTileInner = 32; ///< bf16 of a tile's row
inline constexpr std::int64_t kTileRowBytes = 64;
inline constexpr std::int64_t kTileNumbers = 512;  ///< bf16 of a tile
inline constexpr std::int64_t kBlockEdge = 2 * 16; ///< rows and columns of four tiles of sums

// GCC does not know that a tile's load reads memory: what it reads must have been written by
// another function that is not inlined, or a std::atomic_signal_fence must lie between.

/// Two tiles side by side of a factor's rows: the second `second` elements behind the first.
struct TilePair {
    const BFloat16* first;
    std::int64_t second;
    std::int64_t strideBytes; ///< from row to row
};

/// How the right factor's tiles are read.
enum class Reading : std::uint8_t {
    Cached,
    Passing ///< past the first cache, where the left factor is to stay
};

/// sums += left right, in tiles 0 to 3, which are [2, 2] of [16, 16]: `left` are two tiles one
/// above the other, `right` two side by side, paired.
template <Reading How = Reading::Cached>
LONGLORA_MATRIX_UNITS_INLINE void multiplyTiles(const TilePair& left, const TilePair& right)
{
    _tile_loadd(4, left.first, left.strideBytes);
    if constexpr (How == Reading::Passing) {
        _tile_stream_loadd(6, right.first, right.strideBytes);
        _tile_stream_loadd(7, right.first + right.second, right.strideBytes);
    } else {
        _tile_loadd(6, right.first, right.strideBytes);
        _tile_loadd(7, right.first + right.second, right.strideBytes);
    }
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, left.first + left.second, left.strideBytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
}

LONGLORA_MATRIX_UNITS_INLINE void zeroTiles()
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/// The sums of a block [32, 32], rows `stride` floats apart.
LONGLORA_MATRIX_UNITS_INLINE void loadTiles(const float* sums, std::int64_t stride)
{
    const auto bytes = stride * static_cast<std::int64_t>(sizeof(float));
    _tile_loadd(0, sums, bytes);
    _tile_loadd(1, sums + kTileEdge, bytes);
    _tile_loadd(2, sums + kTileEdge * stride, bytes);
    _tile_loadd(3, sums + kTileEdge * stride + kTileEdge, bytes);
}

LONGLORA_MATRIX_UNITS_INLINE void storeTiles(float* sums, std::int64_t stride)
{
    const auto bytes = stride * static_cast<std::int64_t>(sizeof(float));
    _tile_stored(0, sums, bytes);
    _tile_stored(1, sums + kTileEdge, bytes);
    _tile_stored(2, sums + kTileEdge * stride, bytes);
    _tile_stored(3, sums + kTileEdge * stride + kTileEdge, bytes);
}

#endif

} // namespace longlora::kernels
