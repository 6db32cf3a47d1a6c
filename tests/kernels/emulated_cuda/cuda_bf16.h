// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/number_types.h"

struct __nv_bfloat16 {
    longlora::kernels::BFloat16 value;
};

inline float __bfloat162float(__nv_bfloat16 x)
{
    return longlora::kernels::toCompute(x.value);
}
inline __nv_bfloat16 __float2bfloat16_rn(float x)
{
    return {longlora::kernels::fromCompute<longlora::kernels::BFloat16>(x)};
}
