// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/matrix_units.h"

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#ifdef LONGLORA_HAS_MATRIX_UNITS
#    include <sys/syscall.h>
#    include <unistd.h>
#endif

namespace longlora::kernels {

#ifdef LONGLORA_HAS_MATRIX_UNITS

namespace {

struct alignas(64) TileShapes {
    std::uint8_t palette = 1;
    std::uint8_t startRow = 0;
    std::array<std::uint8_t, 14> reserved{};
    std::array<std::uint16_t, 16> rowBytes{64, 64, 64, 64, 64, 64, 64, 64};
    std::array<std::uint8_t, 16> rows{16, 16, 16, 16, 16, 16, 16, 16};
};

bool isAllowed()
{
    const char* const wish = std::getenv("LONGLORA_MATRIX_UNITS");
    return wish == nullptr || std::string_view(wish) != "off";
}

/// Linux lets a process use the tiles' registers when it asks.
bool asksForTiles()
{
    constexpr int kRequestPermission = 0x1023; // ARCH_REQ_XCOMP_PERM
    constexpr int kTileData = 18;              // XFEATURE_XTILE_DATA
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

LONGLORA_MATRIX_UNITS void shapeTiles()
{
    // Static: GCC believes that only the first bytes are read, and would not store the others.
    static constexpr TileShapes kShapes;
    _tile_loadconfig(&kShapes);
}

LONGLORA_MATRIX_UNITS void releaseTiles()
{
    _tile_release();
}

} // namespace

bool hasMatrixUnits()
{
    static const bool has = isAllowed() && __builtin_cpu_supports("avx512bf16") != 0 &&
                            __builtin_cpu_supports("avx512bw") != 0 &&
                            __builtin_cpu_supports("amx-bf16") != 0 && asksForTiles();
    return has;
}

TileSession::TileSession()
{
    shapeTiles();
}

TileSession::~TileSession()
{
    releaseTiles();
}

#else

bool hasMatrixUnits()
{
    return false;
}

TileSession::TileSession()
{
    throw std::logic_error("TileSession: this processor has no matrix units");
}

TileSession::~TileSession() = default;

#endif

} // namespace longlora::kernels
