// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/attention/tile_multiplier.h"

#include <ATen/native/CPUBlas.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Exception.h>

#include <vector>

namespace longlora {

namespace {

using kernels::BFloat16;
namespace blas = at::native::cpublas;

/// LibTorch says what it lacks only by failing.
bool hasFloatProducts()
{
    try {
        const std::vector<float> ones(16 * 16, 1.0F);
        std::vector<float> product(16 * 16);
        multiplyByLibTorch(
            SmallProduct<float>{16, 16, 16, false, ones.data(), 16, ones.data(), product.data()});
        blas::brgemm_release(/*is_vnni=*/false);
        return true;
    } catch (const c10::Error&) {
        return false;
    }
}

} // namespace

void multiplyByLibTorch(const SmallProduct<float>& p)
{
    blas::brgemm(p.rows, p.columns, p.inner, p.strideA, p.columns, p.columns, p.adds, p.a, p.b, p.c,
                 /*is_vnni=*/false);
}

void multiplyByLibTorch(const SmallProduct<BFloat16>& p)
{
    blas::brgemm(p.rows, p.columns, p.inner, p.strideA, p.columns, p.columns, p.adds,
                 reinterpret_cast<const at::BFloat16*>(p.a),
                 reinterpret_cast<const at::BFloat16*>(p.b), p.c, /*is_vnni=*/true);
}

template <>
void releaseLibTorch<float>()
{
    blas::brgemm_release(/*is_vnni=*/false);
}

template <>
void releaseLibTorch<BFloat16>()
{
    blas::brgemm_release(/*is_vnni=*/true);
}

template <>
bool hasTileProducts<float>()
{
    static const bool has = hasFloatProducts();
    return has;
}

template <>
bool hasTileProducts<BFloat16>()
{
    static const bool has = blas::could_pack(at::kBFloat16);
    return has;
}

} // namespace longlora
