// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/number_types.h"

struct __half {
    longlora::kernels::Float16 value;
};

inline float __half2float(__half x)
{
    return longlora::kernels::toCompute(x.value);
}
inline __half __float2half_rn(float x)
{
    return {longlora::kernels::fromCompute<longlora::kernels::Float16>(x)};
}
